package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"
)

// Secret is a text that is never printed: only [Secret.Reveal] gives it.
type Secret string

const mask = "********"

// String gives a mask, or nothing if there is no secret. It keeps secrets out of %v, %s and %q.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString keeps secrets out of %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText keeps secrets out of JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal gives the secret itself.
func (s Secret) Reveal() []byte { return []byte(s) }

// Bytes is a size in bytes, written with a unit: 256MiB.
type Bytes int64

// String writes the size exactly, in the largest unit that divides it.
func (b Bytes) String() string {
	for shift, unit := range map[int]string{40: "TiB", 30: "GiB", 20: "MiB", 10: "KiB"} {
		if n := int64(b) >> shift; n != 0 && n<<shift == int64(b) && (n%1024 != 0 || shift == 40) {
			return strconv.FormatInt(n, 10) + unit
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// parse makes a value of the key's type from what stands in the file or in a variable. Its error goes on after "KEY is ..." or "KEY ...".
func (k *key) parse(y *yaml.Node) (any, error) {
	switch k.typ.Kind() {
	case reflect.Map, reflect.Slice:
		if k.isTexts() && y.Kind == yaml.ScalarNode {
			y = split(y.Value)
		}
		v := reflect.New(k.typ)
		if err := y.Decode(v.Interface()); err != nil {
			return nil, k.misshapen()
		}
		return v.Elem().Interface(), nil
	}
	if y.Kind != yaml.ScalarNode {
		return nil, errors.New("holds several values; write a single one")
	}
	return k.parseText(y.Value)
}

// misshapen says how a key is written; its documentation has an example.
func (k *key) misshapen() error {
	return fmt.Errorf("has another shape than it needs; write it %s", strings.TrimSuffix(k.doc[strings.Index(k.doc, "such as"):], "."))
}

// isTexts says that the key is a list of texts, which may also be written with commas between them: a:1,b:2.
func (k *key) isTexts() bool {
	return k.typ.Kind() == reflect.Slice && k.typ.Elem().Kind() == reflect.String
}

// split makes a list of a text with commas.
func split(text string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if strings.TrimSpace(text) == "" {
		return list
	}
	for element := range strings.SplitSeq(text, ",") {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(element)})
	}
	return list
}

func (k *key) parseText(text string) (any, error) {
	switch reflect.Zero(k.typ).Interface().(type) {
	case Secret:
		return Secret(text), nil
	case URL:
		return URL(text), nil
	case bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, fmt.Errorf("is %q; write true or false", text)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("is %q; write a whole number, 0 or more", text)
		}
		return n, nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("is %q, which is no duration; write one with its unit, such as 90s, 5m or 12h", text)
		}
		return d, nil
	case Bytes:
		n, err := humanize.ParseBytes(text)
		if err != nil || n > math.MaxInt64 {
			return nil, fmt.Errorf("is %q, which is no size; write one with its unit, such as 256MiB", text)
		}
		return Bytes(n), nil
	}
	if len(k.oneOf) > 0 && !slices.Contains(k.oneOf, text) && (text != "" || !k.optional) {
		return nil, fmt.Errorf("is %q; write one of %s", text, strings.Join(k.oneOf, ", "))
	}
	return text, nil
}
