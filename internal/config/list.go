package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// presets are what the elements of lists hold that say nothing else.
var presets = map[reflect.Type]any{reflect.TypeFor[Endpoint](): DefaultEndpoint()}

// element is an entry of a list of sections, while its settings are taken.
type element struct {
	*loader
	list  *key
	index int
	name  string // what its key called name holds, if it is one
	value reflect.Value
}

// list takes the elements of a list. They stand for all that a weaker source gave.
func (l *loader) list(k *key, y *yaml.Node, where string, from source) {
	if y = resolve(y); isNull(y) {
		return
	}
	if y.Kind != yaml.SequenceNode {
		l.problem("%s: %s %v.", where, k.path, k.misshapen())
		return
	}
	for origin := range l.origins {
		if strings.HasPrefix(origin, k.path+"[") {
			delete(l.origins, origin)
		}
	}
	elements := reflect.MakeSlice(k.typ, 0, len(y.Content))
	for i, entry := range y.Content {
		entry = resolve(entry)
		e := &element{loader: l, list: k, index: i, name: nameIn(entry), value: reflect.New(k.element.typ).Elem()}
		e.value.Set(reflect.ValueOf(k.preset()))
		l.origins[elementPath(k.path, i)] = from(entry.Line)
		l.section(e, k.element, entry, from)
		elements = reflect.Append(elements, e.value)
	}
	l.set(k, elements.Interface(), where)
}

// nameIn looks ahead for what the element is called, so that all messages can say it.
func nameIn(entry *yaml.Node) string {
	for i := 0; entry.Kind == yaml.MappingNode && i+1 < len(entry.Content); i += 2 {
		if value := resolve(entry.Content[i+1]); entry.Content[i].Value == "name" && value.Kind == yaml.ScalarNode && !isNull(value) {
			return value.Value
		}
	}
	return ""
}

func elementPath(list string, index int) string { return fmt.Sprintf("%s[%d]", list, index) }

// elementTitle is what messages call an element: by its name if that is fit to be shown.
func elementTitle(list string, index int, name string) string {
	if validEndpointName(name) {
		return list + "[" + name + "]"
	}
	return elementPath(list, index)
}

func (e *element) title(path string) string {
	title := elementTitle(e.list.path, e.index, e.name)
	if path == "" {
		return title
	}
	return join(title, path)
}

func (e *element) renamed(string) *key { return nil }

func (e *element) set(k *key, value any, where string) {
	e.value.FieldByIndex(k.index).Set(reflect.ValueOf(value))
	e.origins[join(elementPath(e.list.path, e.index), k.path)] = where
}

func (e *element) unknown(path, where string) {
	if k := nearest(e.list.element, path); k != nil {
		e.problem("%s: there is no key %s; write the nearest one, %s, or remove it.", where, e.title(path), k.path)
	} else {
		e.problem("%s: there is no key %s; remove it, or take one of those that docs/configuration.md lists.", where, e.title(path))
	}
}
