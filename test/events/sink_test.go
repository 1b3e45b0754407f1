//go:build stores

package events_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/teststore"
)

// mood is how a sink takes what comes.
type mood int

const (
	well  mood = iota
	fails      // it answers 500
	hangs      // it reads and does not answer, until its mood is another one
	away       // nobody listens
)

// told is an event, as far as these tests look at it.
type told struct {
	ID     string
	Action string
	Target struct{ Repository, Tag, Digest, MediaType string }
}

// arrival is a request that the sink has answered with 200.
type arrival struct {
	at     time.Time // when its body had been read
	events []told
}

// sink is an endpoint, at an address that stays the same.
type sink struct {
	testing.TB
	url, addr string
	look      func(told) // called with each event that arrives, before it is answered; may be nil
	blind     bool       // count requests, and do not parse them

	mu      sync.Mutex
	server  *http.Server // nil while it is away
	mood    mood
	changed chan struct{} // closed when mood changes
	asked   map[mood]int  // requests by the mood that they met
	arrived []arrival
}

func newSink(t testing.TB) *sink {
	t.Helper()
	addr, err := teststore.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{TB: t, url: "http://" + addr + "/events", addr: addr, mood: away, changed: make(chan struct{}), asked: map[mood]int{}}
	s.is(well)
	t.Cleanup(func() { s.is(away) })
	return s
}

// is changes the mood. What fails here fails the test by Error.
func (s *sink) is(m mood) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	close(s.changed)
	s.changed = make(chan struct{})
	if m == away {
		if s.server != nil {
			_ = s.server.Close()
		}
		s.server = nil
		return
	}
	if s.server != nil {
		return
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.Errorf("the sink does not come back: %v", err)
		return
	}
	s.server = &http.Server{Handler: s, ErrorLog: zap.NewStdLog(zap.NewNop())}
	go func(server *http.Server) { _ = server.Serve(listener) }(s.server)
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for first := true; ; first = false {
		m, changed := s.meet(first)
		if m == fails {
			http.Error(w, "not today", http.StatusInternalServerError)
			return
		}
		if m == well {
			break
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
	s.take(body)
}

func (s *sink) meet(first bool) (mood, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		s.asked[s.mood]++
	}
	return s.mood, s.changed
}

func (s *sink) take(body []byte) {
	a := arrival{at: time.Now()}
	if !s.blind {
		var envelope struct{ Events []told }
		if err := json.Unmarshal(body, &envelope); err != nil || len(envelope.Events) == 0 {
			s.Errorf("this is no envelope (%v): %.300s", err, body)
		}
		a.events = envelope.Events
	}
	for _, e := range a.events {
		if s.look != nil {
			s.look(e)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived = append(s.arrived, a)
}

// requests is how many were answered with 200, and when the first and the last of them came.
func (s *sink) requests() (n int, first, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.arrived {
		if i == 0 || a.at.Before(first) {
			first = a.at
		}
		if a.at.After(last) {
			last = a.at
		}
	}
	return len(s.arrived), first, last
}

// forget lets requests begin anew.
func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived = nil
}

// met is how many requests found the sink in a mood.
func (s *sink) met(m mood) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[m]
}

// find gives when the event of a tag arrived; the zero time if it has not.
func (s *sink) find(tag string) (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.arrived {
		for _, e := range a.events {
			if e.Target.Tag == tag {
				return a.at
			}
		}
	}
	return at
}
