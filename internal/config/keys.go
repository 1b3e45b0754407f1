package config

import "reflect"

// Key is what documents say of a key. Those of the elements of a list are written with brackets: notifications.endpoints[].url.
type Key struct {
	Path    string
	Env     string // the variable; empty for keys of elements, which have none
	Default string // as the file has it
	Doc     string
}

// Keys are all that can be set, in the order of the file.
func Keys() []Key { return schema.keys("", Default()) }

// keys are those of a section of what holder holds.
func (k *key) keys(prefix string, holder any) (all []Key) {
	for _, c := range k.children {
		if c.isSection() {
			all = append(all, c.keys(prefix, holder)...)
			continue
		}
		described := Key{Path: prefix + c.path, Default: inFile(c.of(holder)), Doc: c.doc}
		if prefix == "" {
			described.Env = c.env()
		}
		all = append(all, described)
		if c.element != nil {
			all = append(all, c.element.keys(c.path+"[].", c.preset())...)
		}
	}
	return all
}

// preset is what an element of the list holds that says nothing else.
func (k *key) preset() any {
	if preset, ok := presets[k.element.typ]; ok {
		return preset
	}
	return reflect.Zero(k.element.typ).Interface()
}

func inFile(value any) string {
	switch reflect.TypeOf(value).Kind() {
	case reflect.Map:
		return "{}"
	case reflect.Slice:
		return "[]"
	}
	return text(value)
}
