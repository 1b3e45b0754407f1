package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is a JSON object: its members that matter, undecoded. A member that is null is there.
type object map[string]json.RawMessage

// topKeys are the members of a manifest that matter.
var topKeys = []string{
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "blobs", "manifests", "subject", "annotations", "fsLayers", "signatures",
}

// readDocument reads the outermost object of a manifest.
func readDocument(content []byte) (object, error) {
	document, err := outermost(content)
	if err != nil {
		return nil, err
	}
	top := object{}
	if err := top.read(document, place{}, topKeys); err != nil {
		return nil, err
	}
	return top, nil
}

// outermost gives the one JSON value that content is, known to be valid.
func outermost(content []byte) (json.RawMessage, error) {
	if !utf8.Valid(content) {
		return nil, invalid("the manifest is not valid UTF-8: encode it as UTF-8")
	}
	if depth(content) > MaxDepth {
		return nil, invalid("the manifest is nested too deeply: use at most %d levels", MaxDepth)
	}
	var document json.RawMessage
	d := json.NewDecoder(bytes.NewReader(content))
	if err := d.Decode(&document); err == io.EOF {
		return nil, invalid("the manifest is empty: send a JSON object")
	} else if err != nil {
		return nil, invalid("the manifest is not valid JSON (%s): send a JSON object", err)
	}
	if rest := content[d.InputOffset():]; len(bytes.Trim(rest, space)) > 0 {
		return nil, invalid("there is something behind the manifest's closing brace: send one JSON object and nothing else")
	}
	return document, nil
}

// read splits a valid JSON value that must be an object into its members, and keeps those with one of the keys, in place of what o held. What is
// the name of the object in an error.
func (o object) read(value json.RawMessage, what fmt.Stringer, keys []string) error {
	clear(o)
	if value[0] != '{' {
		return invalid("%s is not a JSON object: make it one", what)
	}
	for name, member := range members(value) {
		key, ok := fold(name, keys)
		switch {
		case !ok:
		case key != name:
			return invalid("%s has a member %s, which some would read as %q: spell it %[3]q or remove it", what, quote(name), key)
		case o.has(key):
			return invalid("%s has two members %q: remove one", what, key)
		default:
			o[key] = member
		}
	}
	return nil
}

// fold finds the key that encoding/json, and others that ignore case, would take name for.
func fold(name string, keys []string) (string, bool) {
	for _, key := range keys {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return "", false
}

// depth counts how many objects and lists stand in one another in content, as far as it is JSON.
func depth(content []byte) int {
	var now, most int
	var quoted bool
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

func (o object) has(key string) bool {
	_, ok := o[key]
	return ok
}

// null tells whether a member is missing or null, which most fields may be: some encoders write null for an empty list.
func (o object) null(key string) bool {
	return !o.has(key) || string(o[key]) == "null"
}

// number gives an integer as it is written, or "".
func (o object) number(key string) string {
	if _, err := strconv.ParseInt(string(o[key]), 10, 64); err != nil {
		return ""
	}
	return string(o[key])
}

// text gives a string, "" if there is none.
func (o object) text(key string) (string, error) {
	if o.null(key) {
		return "", nil
	}
	if o[key][0] != '"' {
		return "", invalid("%q is not a string: make it one", key)
	}
	return unquote(o[key]), nil
}

// texts gives an object of strings, nil if there is none.
func (o object) texts(key string) (map[string]string, error) {
	if o.null(key) {
		return nil, nil
	}
	var values map[string]*string
	if json.Unmarshal(o[key], &values) != nil {
		return nil, invalid("%q is not an object of strings: make it one", key)
	}
	m := make(map[string]string, len(values))
	for k, v := range values {
		if v == nil {
			return nil, invalid("%q holds a null: make it a string", key)
		}
		m[k] = *v
	}
	return m, nil
}

// quote makes what a client sent fit to stand in an error.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
