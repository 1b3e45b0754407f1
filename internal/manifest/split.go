package manifest

import (
	"bytes"
	"encoding/json"
	"iter"
)

// The functions here cut up JSON that is known to be valid, without copying it: a json.Decoder for each of many thousand small descriptors would
// take thirty times the memory of the manifest.

const space = " \t\r\n"

// members gives the members of an object, in their order, duplicates too.
func members(object []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for rest := object[1:]; ; {
			rest = bytes.TrimLeft(rest, space+",")
			n := valueLength(rest)
			if n == 0 { // the closing brace
				return
			}
			name := rest[:n]
			rest = bytes.TrimLeft(rest[n:], space+":")
			n = valueLength(rest)
			if !yield(unquote(name), json.RawMessage(rest[:n])) {
				return
			}
			rest = rest[n:]
		}
	}
}

// elements gives the elements of a list.
func elements(list []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for rest := list[1:]; ; {
			rest = bytes.TrimLeft(rest, space+",")
			n := valueLength(rest)
			if n == 0 || !yield(json.RawMessage(rest[:n])) {
				return
			}
			rest = rest[n:]
		}
	}
}

// valueLength is the length of the value that s starts with, 0 at a closing brace or bracket.
func valueLength(s []byte) int {
	var depth int
	var quoted bool
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && bytes.IndexByte([]byte(space+",:}]"), c) >= 0:
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return len(s)
}

// unquote reads a string.
func unquote(value []byte) string {
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "" // it is known to be valid
	}
	return s
}
