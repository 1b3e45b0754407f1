package events

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

func tag(i int) reference.Tag { return reference.Tag("t" + strconv.Itoa(i)) }

// TestDirect: without Redis the relay delivers what it is told of, and what it finds; then the journal is empty.
func TestDirect(t *testing.T) {
	t.Parallel()
	j := newJournal()
	one, two := newSink(t, Options{Name: "one"}), newSink(t, Options{Name: "two", IgnoredActions: []Action{Delete}})
	var entries []storage.Entry
	for i := range 300 {
		entries = append(entries, j.push(t, "some/repo", time.Duration(i%2)*time.Hour, tag(i), "latest"))
	}
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{one.Endpoint, two.Endpoint}}, nil)
	for i := range 100 {
		entry := j.push(t, "some/repo", 0, tag(i))
		e.Committed(entry)
		entries = append(entries, entry)
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !one.has(entries...) || !two.has(entries...) {
		t.Error("an event is missing")
	}
	if different, all := one.took(); different != 700 || all != 700 {
		t.Errorf("the endpoint took %d events, %d of them different; want 700", all, different)
	}
}

// TestDirectNothingCame: entries of which nothing came are not delivered, and those that nobody wants are not kept.
func TestDirectRulings(t *testing.T) {
	t.Parallel()
	j := newJournal()
	one := newSink(t, Options{Include: []string{"wanted"}})
	pending, unwanted, wanted := j.push(t, "wanted", 0, "a"), j.push(t, "other", 0, "a"), j.push(t, "wanted", 0, "b")
	j.mu.Lock()
	j.outcomes[pending.ID] = storage.Pending
	j.mu.Unlock()
	run(t, Settings{Registry: j, Endpoints: []*Endpoint{one.Endpoint}}, nil)
	eventually(t, "two are settled", func() bool { return j.left() == 1 })
	if !one.has(wanted) || one.has(pending) || one.has(unwanted) {
		t.Error("the endpoint did not get what it wants, and nothing else")
	}
	j.mu.Lock()
	delete(j.outcomes, pending.ID)
	j.mu.Unlock()
	eventually(t, "what became visible is delivered", func() bool { return one.has(pending) })
}

// TestNoEndpoint: what nobody wants to hear of is settled.
func TestNoEndpoint(t *testing.T) {
	t.Parallel()
	j := newJournal()
	j.push(t, "some/repo", time.Hour, "a")
	e := run(t, Settings{Registry: j}, nil)
	e.Committed(j.push(t, "some/repo", 0, "a"))
	eventually(t, "all is settled", func() bool { return j.left() == 0 })

}

// TestRetries: what is not taken comes again, alone; a dead endpoint is in nobody's way.
func TestRetries(t *testing.T) {
	t.Parallel()
	j := newJournal()
	good, bad := newSink(t, Options{Name: "good"}), newSink(t, Options{Name: "bad", Backoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	var down atomic.Bool
	down.Store(true)
	bad.answers(func([]Event) int {
		if down.Load() {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{good.Endpoint, bad.Endpoint}}, nil)
	var entries []storage.Entry
	for i := range 50 {
		entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
		e.Committed(entries[i])
	}
	eventually(t, "the good endpoint has all", func() bool { return good.has(entries...) })
	if n, _ := bad.took(); n != 0 || j.left() != 50 {
		t.Errorf("the bad endpoint took %d, %d entries are left; want 0 and 50", n, j.left())
	}
	down.Store(false)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !bad.has(entries...) {
		t.Error("the bad endpoint lacks events")
	}
	if different, all := good.took(); different != all {
		t.Errorf("the good endpoint got %d events, %d of them different", all, different)
	}
}

// TestDead: what is refused for good, or too often, is kept among the dead, and of a batch only what is meant.
func TestDead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		opts   Options
	}{
		"refused":          {http.StatusBadRequest, Options{}},
		"refused in batch": {http.StatusBadRequest, Options{Batch: 10}},
		"too often":        {http.StatusInternalServerError, Options{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}},
		"in order":         {http.StatusInternalServerError, Options{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Ordered: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJournal()
			j.deadErr = errStore
			s := newSink(t, c.opts)
			s.answers(func(events []Event) int {
				for _, event := range events {
					if event.Target.Tag == "bad" {
						return c.status
					}
				}
				return http.StatusOK
			})
			var entries []storage.Entry
			for i := range 25 { // all are there at once, so that bad stands within a batch
				entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
			}
			bad := j.push(t, "some/repo", 0, "bad", "good")
			run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
			eventually(t, "the others are settled", func() bool { return j.left() == 1 })
			j.mu.Lock()
			j.deadErr = nil
			j.mu.Unlock()
			eventually(t, "all is settled", func() bool { return j.left() == 0 })
			dead := j.buried("one")
			if len(dead) != 1 || dead[0].ID != bad.ID || dead[0].Reason == "" {
				t.Fatalf("dead are %+v, want one of %s", dead, bad.ID)
			}
			events, err := ParseNote(dead[0].Note)
			if err != nil || len(events) == 0 || events[0].Target.Tag != "bad" || c.status == http.StatusBadRequest && len(events) != 1 {
				t.Errorf("dead are %+v, %v", events, err)
			}
			if !s.has(entries...) {
				t.Error("the others did not arrive")
			}
		})
	}
}

// TestOrdered: of a repository one event after the other, also when some fail; another repository does not wait.
func TestOrdered(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{Ordered: true, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Threshold: 1000})
	var stuck atomic.Bool
	stuck.Store(true)
	var n atomic.Int32
	s.answers(func(events []Event) int {
		if events[0].Target.Repository == "stuck" && stuck.Load() || n.Add(1)%3 == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
	var free []storage.Entry
	for i := range 60 {
		entry := j.push(t, "free", 0, tag(i))
		free = append(free, entry)
		e.Committed(j.push(t, "stuck", 0, tag(i)))
		e.Committed(entry)
	}
	eventually(t, "the free repository is through", func() bool { return s.has(free...) })
	stuck.Store(false)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	inOrder(t, s, 120)
}

// inOrder expects that each repository's tags came by their numbers.
func inOrder(t *testing.T, s *sink, want int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) != want {
		t.Errorf("it took %d events, want %d", len(s.got), want)
	}
	last := map[reference.Name]int{}
	for _, event := range s.got {
		i, err := strconv.Atoi(string(event.Target.Tag[1:]))
		if err != nil {
			t.Fatal(err)
		}
		if i < last[event.Target.Repository] {
			t.Errorf("of %s, %d came after %d", event.Target.Repository, i, last[event.Target.Repository])
		}
		last[event.Target.Repository] = i
	}
}

// TestRelayTakeover: another node goes on where the relay was.
func TestRelayTakeover(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{})
	settings := Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}
	first, second := run(t, settings, nil), run(t, settings, nil)
	before := j.push(t, "some/repo", 0, "before")
	eventually(t, "a relay delivers", func() bool { return s.has(before) })
	leader, other := first, second
	if second.direct.Load() != nil {
		leader, other = second, first
	}
	leader.stop()
	after := j.push(t, "some/repo", 0, "after")
	eventually(t, "the other one delivers", func() bool { return s.has(after) })
	if other.direct.Load() == nil {
		t.Error("the other node is not the relay")
	}
}
