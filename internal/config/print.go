package config

import (
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Print writes the configuration as a file that could be loaded again, with a comment on each key and, where a value is not the default, where
// it comes from. Secrets are masked.
func (c Loaded) Print(w io.Writer) error {
	tree, err := c.node(schema)
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

func (c Loaded) node(section *key) (*yaml.Node, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range section.children {
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: k.name, HeadComment: k.doc}
		var value *yaml.Node
		var err error
		if k.isSection() {
			value, err = c.node(k)
		} else {
			value, err = c.valueNode(k)
		}
		if err != nil {
			return nil, err
		}
		m.Content = append(m.Content, name, value)
	}
	return m, nil
}

func (c Loaded) valueNode(k *key) (*yaml.Node, error) {
	v := k.of(c.Config)
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
	y.LineComment = c.Origins[k.path]
	return y, nil
}
