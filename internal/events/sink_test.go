package events

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// sink is an endpoint that remembers what it took.
type sink struct {
	Endpoint *Endpoint

	mu     sync.Mutex
	answer func(events []Event) int // a status; nil for 200
	got    []Event
	counts map[string]int
}

// newSink starts an endpoint. It may take its time, and be tried as often as it takes, unless opts say otherwise: that the machine is busy is no failure.
func newSink(t testing.TB, opts Options) *sink {
	t.Helper()
	s := &sink{counts: map[string]int{}}
	opts.URL, opts.AllowPrivate = serve(t, s.serve), true
	opts.Name, opts.Timeout, opts.MaxAttempts = cmp.Or(opts.Name, "one"), cmp.Or(opts.Timeout, time.Minute), cmp.Or(opts.MaxAttempts, 1<<20)
	endpoint, err := NewEndpoint(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Endpoint = endpoint
	return s
}

func (s *sink) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the node broke it off
	}
	var envelope struct{ Events []Event }
	if err := json.Unmarshal(body, &envelope); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		status = answer(envelope.Events)
	}
	if status == 0 { // it hangs
		<-r.Context().Done()
		return
	}
	if status == http.StatusOK {
		s.mu.Lock()
		for _, event := range envelope.Events {
			s.got = append(s.got, event)
			s.counts[event.ID]++
		}
		s.mu.Unlock()
	}
	w.WriteHeader(status)
}

func (s *sink) answers(answer func(events []Event) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func always(status int) func([]Event) int { return func([]Event) int { return status } }

// took is how many different events it took; all, with those that came again.
func (s *sink) took() (different, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.counts), len(s.got)
}

// onceEach forgets what came again.
func (s *sink) onceEach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	s.got = slices.DeleteFunc(s.got, func(event Event) bool {
		again := seen[event.ID]
		seen[event.ID] = true
		return again
	})
}

func (s *sink) has(entries ...storage.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range entries {
		events, err := ParseNote(entry.Note)
		if err != nil {
			return false
		}
		for _, event := range events {
			if s.counts[event.ID] == 0 {
				return false
			}
		}
	}
	return true
}
