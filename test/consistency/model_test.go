package consistency_test

import (
	"github.com/anishathalye/porcupine"
	"github.com/opencontainers/go-digest"
)

// What an operation does to a tag, or saw of it.
type effect int

const (
	sets    effect = iota // the tag points to digest afterwards
	removes               // there is no tag afterwards
	finds                 // the tag points to digest; if that is empty, there is none
	exists                // there is a tag, wherever it points
)

// step is one effect on one tag, with the request it comes from.
type step struct {
	tag    string
	effect effect
	digest digest.Digest
	what   string
}

// tagModel is what a tag is: a register that holds a digest or nothing.
var tagModel = porcupine.Model{
	Partition: func(ops []porcupine.Operation) (parts [][]porcupine.Operation) {
		for _, part := range byTag(ops) {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return digest.Digest("") },
	Step: func(state, input, _ any) (bool, any) {
		s := input.(step)
		switch s.effect {
		case sets:
			return true, s.digest
		case removes:
			return true, digest.Digest("")
		case exists:
			return state.(digest.Digest) != "", state
		}
		return state.(digest.Digest) == s.digest, state
	},
	DescribeOperation: func(input, _ any) string { return input.(step).what },
	DescribeState:     func(state any) string { return short(state.(digest.Digest)) },
}

// short is enough of a digest to tell it from others.
func short(d digest.Digest) string {
	if d == "" {
		return "none"
	}
	return d.Encoded()[:6]
}

func byTag(ops []porcupine.Operation) map[string][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	for _, op := range ops {
		tag := op.Input.(step).tag
		parts[tag] = append(parts[tag], op)
	}
	return parts
}
