package events

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// pair runs two nodes without Redis, of which the first one delivers and knows all that was in the journal.
func pair(t *testing.T, registry Registry, s *sink, change func(*Events)) (relay, other *running) {
	t.Helper()
	settings := Settings{Registry: registry, Endpoints: []*Endpoint{s.Endpoint}}
	relay = run(t, settings, change)
	eventually(t, "it delivers", func() bool { d := relay.direct.Load(); return d != nil && d.knowsAll() })
	return relay, run(t, settings, change)
}

// gated is a journal that is not listed while gate is held.
type gated struct {
	counting
	gate sync.RWMutex
}

func (g *gated) Journal(ctx context.Context, after string, n int) ([]string, string, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.counting.Journal(ctx, after, n)
}

// handedOver is how many entries are handed over and not yet fetched.
func (j *journal) handedOver() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, entries := range j.handed {
		n += len(entries)
	}
	return n
}

// isEmpty says that nothing is handed over any more.
func (j *journal) isEmpty() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.handed) == 0
}

// TestHandedOver: what one node is told of the other delivers, each once, and hardly reads any of it.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	j := &gated{counting: counting{journal: newJournal()}}
	s := newSink(t, Options{})
	_, other := pair(t, j, s, nil)
	j.gate.Lock() // so that all is handed over before a walk finds it
	goOn := sync.OnceFunc(j.gate.Unlock)
	t.Cleanup(goOn)
	var entries []storage.Entry
	for i := range 600 {
		entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
	}
	for _, entry := range entries {
		other.Committed(entry)
	}
	eventually(t, "it is handed over", func() bool { return j.handedOver() > 550 }) // a single one is not
	goOn()
	eventually(t, "all is settled, and what was handed over is gone", func() bool { return j.left() == 0 && j.isEmpty() })
	if different, all := s.took(); different != 600 || all != 600 || !s.has(entries...) {
		t.Errorf("the endpoint took %d events, %d of them different; want 600", all, different)
	}
	if n := j.entries.Load(); n > 100 {
		t.Errorf("%d entries were read of 600", n)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped == 0 || j.dropped > 60 {
		t.Errorf("600 entries were handed over in %d objects", j.dropped)
	}
}

// TestNotHandedOver: what is not handed over, or cannot be used, the walk finds.
func TestNotHandedOver(t *testing.T) {
	t.Parallel()
	later := newID(time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		age    time.Duration // of the entries
		before func(j *journal)
		tell   int // how many of them the other node is told of
	}{
		"the node cannot write":      {0, func(j *journal) { j.handErr = errStore }, 20},
		"the node died":              {0, func(*journal) {}, 0},
		"a single one":               {0, func(*journal) {}, 1},
		"it is broken":               {0, func(j *journal) { j.handed[later], j.broken[later] = nil, true }, 0},
		"a note in it is broken":     {0, func(j *journal) { j.handed[later] = j.all([]byte("what?")) }, 0},
		"it names what is not there": {0, func(j *journal) { j.handed[later] = []storage.Handed{{ID: later, Note: j.all(nil)[0].Note}} }, 0},
		"the node's clock is ahead":  {-time.Hour, func(*journal) {}, 0},
		"the node's clock is behind": {time.Minute, func(*journal) {}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJournal()
			s := newSink(t, Options{})
			_, other := pair(t, j, s, nil)
			var entries []storage.Entry
			for i := range 20 {
				entries = append(entries, j.push(t, "some/repo", c.age, tag(i)))
			}
			j.mu.Lock()
			c.before(j)
			j.mu.Unlock()
			for _, entry := range entries[:c.tell] {
				other.Committed(entry)
			}
			eventually(t, "all is settled, and what was handed over is gone", func() bool { return j.left() == 0 && (c.tell > 0 || j.isEmpty()) })
			if different, all := s.took(); different != 20 || all != 20 || !s.has(entries...) {
				t.Errorf("the endpoint took %d events, %d of them different; want 20", all, different)
			}
		})
	}
}

// all is what stands in the journal, to be handed over, with other notes if note is not nil. j.mu is held.
func (j *journal) all(note []byte) (all []storage.Handed) {
	for id, entry := range j.entries {
		if note != nil {
			entry.Note = note
		}
		all = append(all, storage.Handed{ID: id, Note: entry.Note})
	}
	return all
}

// TestHandedTwice: what is handed over again, also when it was delivered, is not delivered again; and what was handed over long ago is not believed.
func TestHandedTwice(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{})
	pair(t, j, s, nil)
	hand := func(at time.Time, all []storage.Handed) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.handed[newID(at)] = all
	}
	for i := range 20 {
		j.push(t, "some/repo", 0, tag(i))
	}
	j.mu.Lock()
	all := j.all(nil)
	j.mu.Unlock()
	hand(time.Now(), all)
	hand(time.Now(), all)
	eventually(t, "all is settled", func() bool { return j.left() == 0 && j.isEmpty() })
	pending := j.push(t, "some/repo", 0, "pending")
	j.mu.Lock()
	j.outcomes[pending.ID] = storage.Pending
	all = append(all, j.all(nil)...)
	j.mu.Unlock()
	hand(time.Now().Add(-2*handedLife), all)
	hand(time.Now(), all[:20])
	eventually(t, "it is removed", j.isEmpty)
	after := j.push(t, "some/repo", time.Hour, "after")
	eventually(t, "the journal is walked", func() bool { return s.has(after) })
	if different, all := s.took(); different != 21 || all != 21 {
		t.Errorf("the endpoint took %d events, %d of them different; want 21", all, different)
	}
}

// TestHandedInOrder: an ordered endpoint has the events of a repository in the order of the journal, though some were handed over and those before them not.
func TestHandedInOrder(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{Ordered: true})
	pair(t, j, s, func(e *Events) { e.times.directWalk = 200 * time.Millisecond })
	const rounds = 8
	for i := range rounds {
		var entries []storage.Entry
		for k := range 6 {
			entries = append(entries, j.push(t, "some/repo", 0, tag(6*i+k)))
		}
		var handed []storage.Handed
		for _, k := range []int{5, 1, 2, 4} {
			handed = append(handed, storage.Handed{ID: entries[k].ID, Note: entries[k].Note})
		}
		if err := j.Hand(t.Context(), handed...); err != nil {
			t.Fatal(err)
		}
		eventually(t, "they arrive", func() bool { return s.has(entries...) })
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	inOrder(t, s, 6*rounds)
}

// TestHandoverIsBounded: a node that cannot hand over holds little, and a note that is too long for all is left out.
func TestHandoverIsBounded(t *testing.T) {
	t.Parallel()
	h := handover{wake: make(chan struct{}, 1)}
	long := make([]byte, handNotes+1)
	h.add([]order{{id: "long", note: long}, {id: "short", note: []byte("a")}})
	if all := h.take(); len(all) != 1 || all[0].ID != "short" {
		t.Errorf("%d are handed over, want the short one", len(all))
	}
	h.add(slices.Repeat([]order{{id: "a", note: long[:handNotes/10]}}, 20))
	if all := h.take(); len(all) != 10 || len(h.wake) != 1 {
		t.Errorf("%d are handed over, want 10; at once: %d", len(all), len(h.wake))
	}
	h.add(slices.Repeat([]order{{id: "a"}}, 3*storage.HandedMost))
	if all := h.take(); len(all) != storage.HandedMost || h.bytes != 0 {
		t.Errorf("%d are handed over, want %d", len(all), storage.HandedMost)
	}
}
