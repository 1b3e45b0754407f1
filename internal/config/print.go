package config

import (
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Print writes the configuration as a file that could be loaded again, with a comment on each key (on those of a list's elements at the first one) and,
// where a value is not the default, where it comes from. Secrets are masked.
func (c Loaded) Print(w io.Writer) error {
	tree, err := c.node(schema, c.Config, "", true)
	if err != nil {
		return err
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(tree); err != nil {
		return err
	}
	return enc.Close()
}

// node writes a section of what holder holds; at is where that stands.
func (c Loaded) node(section *key, holder any, at string, explained bool) (*yaml.Node, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range section.children {
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: k.name}
		if explained {
			name.HeadComment = k.doc
		}
		var value *yaml.Node
		var err error
		switch {
		case k.isSection():
			value, err = c.node(k, holder, at, explained)
		case k.element != nil:
			value, err = c.listNode(k, k.of(holder))
		default:
			value, err = valueNode(k, k.of(holder), c.Origins[join(at, k.path)])
		}
		if err != nil {
			return nil, err
		}
		m.Content = append(m.Content, name, value)
	}
	return m, nil
}

func (c Loaded) listNode(k *key, list any) (*yaml.Node, error) {
	elements := reflect.ValueOf(list)
	y := &yaml.Node{Kind: yaml.SequenceNode}
	if elements.Len() == 0 {
		y.Style = yaml.FlowStyle
	}
	for i := range elements.Len() {
		element, err := c.node(k.element, elements.Index(i).Interface(), elementPath(k.path, i), i == 0)
		if err != nil {
			return nil, err
		}
		y.Content = append(y.Content, element)
	}
	return y, nil
}

func valueNode(k *key, v any, origin string) (*yaml.Node, error) {
	y := &yaml.Node{}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Map, reflect.Slice:
		if err := y.Encode(v); err != nil {
			return nil, err
		}
		if len(y.Content) == 0 {
			y.Style = yaml.FlowStyle
		}
		return y, nil
	case reflect.Bool:
		y.Kind, y.Value = yaml.ScalarNode, text(v)
	default:
		y.SetString(text(v))
		if k.path == "version" {
			y.Tag, y.Style = "!!float", 0 // 0.1, as everyone writes it
		}
	}
	y.LineComment = origin
	return y, nil
}
