package consistency_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/opencontainers/go-digest"
)

// TestModel: the checker takes what a register may do, and nothing else.
func TestModel(t *testing.T) {
	t.Parallel()
	a, b := digest.FromString("a"), digest.FromString("b")
	type op struct {
		call, back int64
		effect     effect
		digest     digest.Digest
	}
	for _, c := range []struct {
		name string
		ops  []op
		ok   bool
	}{
		{"a read of what was written", []op{{0, 1, sets, a}, {2, 3, finds, a}}, true},
		{"a read of nothing", []op{{0, 1, sets, a}, {2, 3, finds, ""}}, false},
		{"a read of what was moved", []op{{0, 1, sets, a}, {2, 3, sets, b}, {4, 5, finds, a}}, false},
		{"a read of what is being moved", []op{{0, 1, sets, a}, {2, 6, sets, b}, {3, 4, finds, a}}, true},
		{"a read that goes back in time", []op{{0, 1, sets, a}, {2, 9, sets, b}, {3, 4, finds, b}, {5, 6, finds, a}}, false},
		{"a read of what was deleted", []op{{0, 1, sets, a}, {2, 3, removes, ""}, {4, 5, finds, a}}, false},
		{"a deletion of nothing", []op{{0, 1, removes, ""}, {0, 1, exists, ""}}, false},
		{"two deletions of one tag at once", []op{{0, 1, sets, a}, {2, 5, removes, ""}, {2, 5, exists, ""}, {3, 6, removes, ""}, {3, 6, exists, ""}}, true},
		{"two deletions of one tag in turn", []op{{0, 1, sets, a}, {2, 3, removes, ""}, {2, 3, exists, ""}, {4, 5, removes, ""}, {4, 5, exists, ""}}, false},
		{"a write without an answer is seen late", []op{{0, 1, sets, a}, {2, unknown, sets, b}, {3, 4, finds, a}, {5, 6, finds, b}}, true},
		{"a write without an answer is seen and gone", []op{{0, 1, sets, a}, {2, unknown, sets, b}, {3, 4, finds, b}, {5, 6, finds, a}}, false},
		{"a write without an answer is never seen", []op{{0, 1, sets, a}, {2, unknown, sets, b}, {3, 4, finds, a}}, true},
		{"a deletion without an answer", []op{{0, 1, sets, a}, {2, unknown, removes, ""}, {3, 4, finds, a}, {5, 6, finds, ""}, {7, 8, finds, a}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory()
			for _, o := range c.ops {
				h.add(0, o.call, o.back, step{tag: "tag", effect: o.effect, digest: o.digest, what: c.name})
			}
			h.add(1, 0, 1, step{tag: "other", effect: sets, digest: digest.FromString("other")})
			if v := h.violation(t); (v == nil) != c.ok {
				t.Errorf("linearizable: %t, want %t", v == nil, c.ok)
			}
		})
	}
}

// TestTelling: what is left out of a history changes nothing about whether there is an order. Most of these short histories with many operations at once
// come from a register that now and then gives something old.
func TestTelling(t *testing.T) {
	t.Parallel()
	results := map[porcupine.CheckResult]int{}
	for n := range uint64(4000) {
		ops := draw(rand.New(rand.NewPCG(n, 0)))
		whole, _ := porcupine.CheckOperationsVerbose(tagModel, ops, patience)
		if told, _ := porcupine.CheckOperationsVerbose(tagModel, telling(ops), patience); told != whole {
			t.Fatalf("history %d is %s, and %s with less in it: %v", n, whole, told, ops)
		}
		results[whole]++
	}
	if results[porcupine.Ok] < 200 || results[porcupine.Illegal] < 200 {
		t.Errorf("the histories are too much alike: %v", results)
	}
}

// draw makes a history: each operation has its effect at one moment, around which it begins and ends.
func draw(random *rand.Rand) (ops []porcupine.Operation) {
	var state, before digest.Digest
	for i := range int64(14) {
		s := step{tag: "tag", effect: finds, digest: state}
		switch random.IntN(8) {
		case 0, 1:
			before, state = state, digest.FromString(fmt.Sprint(i))
			s.effect, s.digest = sets, state
		case 2:
			before, state = state, ""
			s.effect, s.digest = removes, ""
		case 3:
			if random.IntN(2) == 0 {
				s.digest = before
			}
		}
		ops = append(ops, porcupine.Operation{ClientId: int(i), Input: s, Call: 10*i - random.Int64N(35), Return: 10*i + random.Int64N(35)})
	}
	return ops
}
