package events

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/registryd/registryd/internal/storage"
)

// TestStopsInPeace: deliveries under way finish, and what an endpoint did not take is left in the journal.
func TestStopsInPeace(t *testing.T) {
	t.Parallel()
	j := newJournal()
	begun, finish := make(chan struct{}, 100), make(chan struct{})
	s := newSink(t, Options{Concurrency: 4})
	s.answers(func([]Event) int { begun <- struct{}{}; <-finish; return http.StatusOK })
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, func(e *Events) { e.times.drain = time.Minute })
	for i := range 20 {
		j.push(t, "some/repo", 0, tag(i))
	}
	for range 4 {
		<-begun
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); e.stop() }()
	eventually(t, "it stops", func() bool { return e.direct.Load() == nil })
	close(finish)
	<-stopped
	if n, all := s.took(); n < 4 || n != all || j.left() != 20-n {
		t.Errorf("the endpoint took %d events, %d entries are left of 20", all, j.left())
	}
}

// TestStopsInTime: an endpoint that hangs does not keep the node from stopping.
func TestStopsInTime(t *testing.T) {
	t.Parallel()
	j := newJournal()
	begun := make(chan struct{}, 100)
	s := newSink(t, Options{Timeout: time.Hour})
	s.answers(func([]Event) int { begun <- struct{}{}; return 0 })
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, func(e *Events) { e.times.drain = 50 * time.Millisecond })
	j.push(t, "some/repo", 0, "a")
	<-begun
	e.stop()
	if j.left() != 1 {
		t.Error("the entry is gone, though nobody has taken its event")
	}
}

// TestUnderWay: a node sends as many requests at once to an endpoint as it may, and no more; batches are filled.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 10} {
		j := newJournal()
		var now, most, requests atomic.Int32
		full := make(chan struct{})
		s := newSink(t, Options{Concurrency: 3, Batch: batch})
		s.answers(func([]Event) int {
			requests.Add(1)
			n := now.Add(1)
			defer now.Add(-1)
			if most.Store(max(most.Load(), n)); n == 3 {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			select {
			case <-full:
			case <-time.After(time.Minute):
				t.Error("there are never three requests at once")
			}
			return http.StatusOK
		})
		for i := range 300 {
			j.push(t, "some/repo", 0, tag(i))
		}
		e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if most.Load() > 3 || batch > 1 && requests.Load() > 300/4 {
			t.Errorf("with batches of %d there were %d requests at once, %d in all", batch, most.Load(), requests.Load())
		}
		e.stop()
	}
}

// TestBrokenNote: what cannot be read is kept, and holds up nothing.
func TestBrokenNote(t *testing.T) {
	t.Parallel()
	j := newJournal()
	broken := j.push(t, "some/repo", time.Hour, "a")
	broken.Note = []byte("{")
	j.mu.Lock()
	j.entries[broken.ID] = broken
	j.mu.Unlock()
	good := j.push(t, "some/repo", time.Hour, "b")
	s := newSink(t, Options{})
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
	e.Committed(broken)
	eventually(t, "the good one is delivered", func() bool { return s.has(good) && j.left() == 1 })

	m := s.Endpoint.newLetter("id", broken.Note)
	l := newLane(e.outlets[0], nil, j, &e.times)
	if err := l.bury(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if dead := j.buried("one"); len(dead) != 1 || string(dead[0].Note) != "{" || dead[0].Reason == "" {
		t.Errorf("dead are %+v", dead)
	}
}

// TestFigures: what an operator sees.
func TestFigures(t *testing.T) {
	t.Parallel()
	j, reg := newJournal(), prometheus.NewRegistry()
	s := newSink(t, Options{Backoff: time.Millisecond, MaxBackoff: time.Millisecond, MaxAttempts: 3, Threshold: 1000})
	var n atomic.Int32
	s.answers(func(events []Event) int {
		if events[0].Target.Tag == "bad" || n.Add(1) == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}, Registerer: reg}, nil)
	for _, entry := range []storage.Entry{j.push(t, "some/repo", 0, "a", "b"), j.push(t, "some/repo", 0, "bad")} {
		e.Committed(entry)
	}
	e.Happened(origin().ManifestPulled(Target{Repository: "some/repo"})) // there is no Redis
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	for name, want := range map[string]struct {
		got  float64
		want float64
	}{
		"queued":    {testutil.ToFloat64(e.figures.queued), 2},
		"delivered": {testutil.ToFloat64(e.figures.delivered), 2},
		"dead":      {testutil.ToFloat64(e.figures.dead), 1},
		"dropped":   {testutil.ToFloat64(e.figures.dropped), 1},
	} {
		if want.got != want.want {
			t.Errorf("%s is %v, want %v", name, want.got, want.want)
		}
	}
	if got := testutil.ToFloat64(e.figures.retried); got < 3 || got > 4 { // the first attempt of the first entry has one or both of its events left
		t.Errorf("retried is %v", got)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	j.push(t, "some/repo", time.Hour, "bad")
	eventually(t, "what waits is shown while this node is the relay", func() bool {
		s, err := e.Status(t.Context())
		return err == nil && s.Known && !s.Redis && len(s.Endpoints) == 1 && testutil.CollectAndCount(e.figures.waiting) == 1
	})
}
