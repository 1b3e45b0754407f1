package consistency_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/opencontainers/go-digest"
)

// history is what clients did and saw, by one monotonic clock. Safe for concurrent use.
type history struct {
	start time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

func newHistory() *history { return &history{start: time.Now()} }

// now is a moment of the history, in nanoseconds since its start.
func (h *history) now() int64 { return time.Since(h.start).Nanoseconds() }

// unknown is the return of a write that may take effect at any time, or never.
const unknown = math.MaxInt64

// add notes the effects of a request that was sent at call and answered at back. Each of them took place in between.
func (h *history) add(client int, call, back int64, steps ...step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range steps {
		h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: s, Call: call, Return: back})
	}
}

// settled is the history with an end for all writes. No two of them set the same digest, so that one without an answer that somebody read had taken
// effect when that read was answered; the others may do so until the very end, or behind all reads, which is the same as never.
func (h *history) settled() []porcupine.Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	read := map[digest.Digest]int64{}
	end := int64(0)
	for _, op := range h.ops {
		if op.Return == unknown {
			continue
		}
		end = max(end, op.Return)
		if s := op.Input.(step); s.effect == finds && s.digest != "" {
			if first, ok := read[s.digest]; !ok || op.Return < first {
				read[s.digest] = op.Return
			}
		}
	}
	ops := make([]porcupine.Operation, len(h.ops))
	for i, op := range h.ops {
		if op.Return == unknown {
			op.Return = max(end, op.Call) + 1
			if first, ok := read[op.Input.(step).digest]; ok {
				op.Return = first
			}
		}
		ops[i] = op
	}
	return ops
}

// telling leaves out reads that say nothing more than others do, since the search for an order takes longest with many reads at once. The history is
// linearizable if and only if it is without them:
//
//   - Each digest is set once, so that a tag points there in one stretch of time. That all reads of it fall into that stretch is said by the one that was
//     answered first and the one that was sent last.
//   - A read of nothing that was under way for the whole time of another one may have happened when that did.
func telling(ops []porcupine.Operation) (kept []porcupine.Operation) {
	first, last := map[digest.Digest]porcupine.Operation{}, map[digest.Digest]porcupine.Operation{}
	var none []porcupine.Operation
	for _, op := range ops {
		s := op.Input.(step)
		switch {
		case s.effect != finds:
			kept = append(kept, op)
		case s.digest == "":
			none = append(none, op)
		default:
			if a, ok := first[s.digest]; !ok || op.Return < a.Return {
				first[s.digest] = op
			}
			if b, ok := last[s.digest]; !ok || op.Call > b.Call {
				last[s.digest] = op
			}
		}
	}
	for d, op := range first {
		kept = append(kept, op)
		if last[d] != op {
			kept = append(kept, last[d])
		}
	}
	slices.SortFunc(none, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(a.Return, b.Return), cmp.Compare(b.Call, a.Call))
	})
	sent := int64(-1) // the latest of those that were answered before
	for _, op := range none {
		if op.Call > sent {
			kept, sent = append(kept, op), op.Call
		}
	}
	return kept
}

// patience is how long the search for an order of one history may take, on a machine that does other things too.
const patience = time.Minute

// violation is the history of a tag that no order of its operations explains.
type violation struct {
	tag  string
	info porcupine.LinearizationInfo
}

// violation looks for a tag whose history is not linearizable. Without an answer in time it fails the test.
func (h *history) violation(t *testing.T) *violation {
	t.Helper()
	for tag, ops := range byTag(h.settled()) {
		result, info := porcupine.CheckOperationsVerbose(tagModel, telling(ops), patience)
		switch result {
		case porcupine.Illegal:
			return &violation{tag, info}
		case porcupine.Unknown:
			t.Errorf("whether the %d operations on %s are linearizable was not found out in %v, make the history shorter", len(ops), tag, patience)
		}
	}
	return nil
}

// check fails the test if the history is not linearizable, and says where to look at it.
func (h *history) check(t *testing.T) {
	t.Helper()
	v := h.violation(t)
	if v == nil {
		return
	}
	page, err := os.CreateTemp("", "registryd-history-*.html") // it has to outlive the test
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if err := porcupine.Visualize(tagModel, v.info, page); err != nil {
		t.Fatal(err)
	}
	t.Errorf("what clients saw of %s has no order that explains it, open %s in a browser and look", v.tag, page.Name())
}

// count says how much there is to check.
func (h *history) count() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	open := 0
	for _, op := range h.ops {
		if op.Return == unknown {
			open++
		}
	}
	return fmt.Sprintf("%d operations on %d tags, %d of them writes that nobody knows the end of", len(h.ops), len(byTag(h.ops)), open)
}
