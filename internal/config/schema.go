package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// key is one place in the tree of keys: a section, which has children, or a value, which has none.
type key struct {
	name     string // the last component
	path     string // all of it, dotted
	typ      reflect.Type
	index    []int // of the field, from Config on
	doc      string
	oneOf    []string
	optional bool // may be empty though it has oneOf
	children []*key
	element  *key // of a list of sections: what each of them holds, with paths and indexes of its own
}

// schema is the tree of keys, read from the fields of Config.
var schema = describe(&key{typ: reflect.TypeFor[Config]()})

func describe(section *key) *key {
	for i := range section.typ.NumField() {
		f := section.typ.Field(i)
		k := &key{
			name:     f.Tag.Get("yaml"),
			typ:      f.Type,
			index:    append(append([]int(nil), section.index...), i),
			doc:      f.Tag.Get("doc"),
			oneOf:    strings.Fields(f.Tag.Get("oneof")),
			optional: f.Tag.Get("optional") != "",
		}
		k.path = join(section.path, k.name)
		switch {
		case k.typ.Kind() == reflect.Struct:
			describe(k)
		case k.typ.Kind() == reflect.Slice && k.typ.Elem().Kind() == reflect.Struct:
			k.element = describe(&key{typ: k.typ.Elem()})
		}
		section.children = append(section.children, k)
	}
	return section
}

func (k *key) isSection() bool { return len(k.children) > 0 }

// child finds a key of the section; names in variables come in upper case.
func (k *key) child(name string) *key {
	for _, c := range k.children {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// walk calls f for every section and value below k.
func (k *key) walk(f func(*key)) {
	for _, c := range k.children {
		f(c)
		c.walk(f)
	}
}

// env is the name of the variable that sets the key.
func (k *key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// of gives the key's value in a Config, or in an element of a list.
func (k *key) of(holder any) any { return reflect.ValueOf(holder).FieldByIndex(k.index).Interface() }

func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// text is how a single value is written in the file.
func text(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return shortDuration(v)
	case interface{ String() string }:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	case int:
		return strconv.Itoa(v)
	case string:
		return v
	}
	return ""
}

// shortDuration leaves the zeros out of 12h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
