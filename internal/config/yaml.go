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
		l.section(schema, doc.Content[0], name)
	}
}

// section takes the settings of a mapping. Its depth is bounded by the schema's, whatever aliases the file uses.
func (l *loader) section(section *key, y *yaml.Node, file string) {
	if y = resolve(y); isNull(y) {
		return
	}
	var children map[string]yaml.Node
	if err := y.Decode(&children); err != nil {
		name := section.path
		if name == "" {
			name = "the file"
		}
		l.problem("%s: %s must hold keys with values, each once (%s); correct it there.", at(file, y.Line), name, yamlError(err))
		return
	}
	for _, name := range order(y, children) {
		child := children[name]
		k, where := section.childExactly(name), at(file, lineOf(y, name, &child))
		if k == nil {
			k = renamed(join(section.path, name))
		}
		switch {
		case k == nil:
			l.unknown(join(section.path, name), where)
		case k.isSection():
			l.section(k, &child, file)
		default:
			l.value(k, resolve(&child), where)
		}
	}
}

func (l *loader) value(k *key, y *yaml.Node, where string) {
	if isNull(y) {
		return // `headers:` with nothing behind it leaves the default
	}
	if value, err := k.parse(y); err != nil {
		l.invalid(k, where, err)
	} else {
		l.set(k, value, where)
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

func at(file string, line int) string { return fmt.Sprintf("%s, line %d", file, line) }

// yamlError takes the package's name and the line breaks out of its messages.
func yamlError(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:")), " ")
}
