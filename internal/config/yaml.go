package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yaml takes the settings of a file; name is for messages.
func (l *loader) yaml(name string, text []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		l.problem("%s is not valid YAML (%s); correct it there.", name, yamlError(err))
		return
	}
	if len(doc.Content) > 0 {
		l.section(l, schema, doc.Content[0], file(name))
	}
}

// source is where YAML stands: it says where a line of it is.
type source func(line int) string

func file(name string) source {
	return func(line int) string { return fmt.Sprintf("%s, line %d", name, line) }
}

func variable(name string) source { return func(int) string { return name } }

// holder has keys: the configuration as a whole, or an element of a list.
type holder interface {
	title(path string) string // what messages call a key, or with an empty path the holder
	renamed(path string) *key
	set(k *key, value any, where string)
	unknown(path, where string)
}

// section takes the settings of a mapping. Its depth is bounded by the schema's, whatever aliases the file uses.
func (l *loader) section(h holder, section *key, y *yaml.Node, from source) {
	if y = resolve(y); isNull(y) {
		return
	}
	if y.Kind != yaml.MappingNode {
		l.problem("%s: %s must hold keys with values; correct it there.", from(y.Line), h.title(section.path))
		return
	}
	var children map[string]yaml.Node
	if err := y.Decode(&children); err != nil {
		l.problem("%s: %s must hold keys with values, each once (%s); correct it there.", from(y.Line), h.title(section.path), yamlError(err))
		return
	}
	for _, name := range order(y, children) {
		child := children[name]
		k, where := section.childExactly(name), from(lineOf(y, name, &child))
		if k == nil {
			k = h.renamed(join(section.path, name))
		}
		switch {
		case k == nil:
			h.unknown(join(section.path, name), where)
		case k.isSection():
			l.section(h, k, &child, from)
		case k.element != nil:
			l.list(k, &child, where, from)
		default:
			l.value(h, k, resolve(&child), where)
		}
	}
}

func (l *loader) value(h holder, k *key, y *yaml.Node, where string) {
	if isNull(y) {
		return // `headers:` with nothing behind it leaves the default
	}
	if value, err := k.parse(y); err != nil {
		l.problem("%s: %s %v.", where, h.title(k.path), err)
	} else {
		h.set(k, value, where)
	}
}

// order gives the names of a mapping's children: those that stand in it as they stand there, then those merged in with <<.
func order(y *yaml.Node, children map[string]yaml.Node) []string {
	var names []string
	seen := make(map[string]bool)
	add := func(name string) {
		if _, ok := children[name]; ok && !seen[name] {
			names, seen[name] = append(names, name), true
		}
	}
	for i := 0; i+1 < len(y.Content); i += 2 {
		add(resolve(y.Content[i]).Value)
	}
	schema.walk(func(k *key) { add(k.name) }) // a fixed order for most, so that messages keep theirs
	for name := range children {
		add(name)
	}
	return names
}

// lineOf is where a key stands, or if it was merged in, where its value does.
func lineOf(y *yaml.Node, name string, value *yaml.Node) int {
	for i := 0; i+1 < len(y.Content); i += 2 {
		if y.Content[i].Value == name {
			return y.Content[i].Line
		}
	}
	return value.Line
}

// childExactly finds a key as the file must write it.
func (k *key) childExactly(name string) *key {
	if c := k.child(name); c != nil && c.name == name {
		return c
	}
	return nil
}

func resolve(y *yaml.Node) *yaml.Node {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	return y
}

func isNull(y *yaml.Node) bool { return y.Kind == yaml.ScalarNode && y.ShortTag() == "!!null" }

// yamlError takes the package's name and the line breaks out of its messages.
func yamlError(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:")), " ")
}
