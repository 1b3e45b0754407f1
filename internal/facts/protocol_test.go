//go:build stores

package facts

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

const k = "a key" // of all facts here

// cluster is two nodes on one Redis.
func cluster(t *testing.T) (s *server, a, b *node) {
	t.Helper()
	t.Parallel()
	s = startServer(t)
	return s, newNode(s.client(t)), newNode(s.client(t))
}

func (s *server) stands(t *testing.T) string {
	t.Helper()
	stands, err := s.client(t).Do(t.Context(), "GETRANGE", "test:fact:"+k, 0, -1).Text()
	if err != nil {
		t.Fatal(err)
	}
	return stands
}

func (s *server) entry(t *testing.T, want int) {
	t.Helper()
	entry, _ := encode(version(want))
	if stands := s.stands(t); stands != entry {
		t.Errorf("in Redis stands %q, want %q", stands, entry)
	}
}

func TestHit(t *testing.T) {
	s, a, b := cluster(t)
	if !a.fetches(t, k, 7, always(7)) {
		t.Error("the first reader did not read")
	}
	if a.fetches(t, k, 7, always(8)) || b.fetches(t, k, 7, always(8)) {
		t.Error("the store was read again")
	}
	s.entry(t, 7)
	if err := b.Changed(t.Context(), "another", k, "and another"); err != nil {
		t.Fatal(err)
	}
	if !a.fetches(t, k, 8, always(8)) {
		t.Error("the store was not read after a change")
	}
}

func TestNotRemembered(t *testing.T) {
	for name, fact := range map[string]storage.Fact{
		"absent":   {Version: "1"},
		"too long": {Version: "1", Value: make([]byte, maxEntry-3)},
	} {
		t.Run(name, func(t *testing.T) {
			s, a, _ := cluster(t)
			for range 2 {
				read := false
				value, err := a.Fetch(t.Context(), k, func(context.Context) (storage.Fact, error) { read = true; return fact, nil })
				if err != nil || !read || !bytes.Equal(value, fact.Value) {
					t.Errorf("got %d bytes, %v, read %v", len(value), err, read)
				}
				if stands := s.stands(t); stands != "" {
					t.Errorf("in Redis stands %.20q", stands)
				}
			}
		})
	}
}

func TestErrorOfRead(t *testing.T) {
	s, a, _ := cluster(t)
	_, err := a.Fetch(t.Context(), k, func(context.Context) (storage.Fact, error) {
		if stands := s.stands(t); stands == "" {
			t.Error("there is no lease")
		}
		return storage.Fact{}, io.ErrUnexpectedEOF
	})
	if err != io.ErrUnexpectedEOF {
		t.Errorf("got %v", err)
	}
	if stands := s.stands(t); stands != "" {
		t.Errorf("in Redis stands %q", stands)
	}
}

// TestWaitsForLease: one read serves all who come meanwhile.
func TestWaitsForLease(t *testing.T) {
	_, a, b := cluster(t)
	b.times.patience = ample
	done := make(chan struct{})
	a.fetches(t, k, 7, func() storage.Fact {
		go func() {
			defer close(done)
			if b.fetches(t, k, 7, always(8)) {
				t.Error("the second reader did not wait")
			}
		}()
		eventually(t, "the second reader looked twice", func() bool { return b.conn.calls.Load() >= 2 })
		return version(7)
	})
	<-done
}

// TestSharedLease: a reader that is slow is not waited for, and what it read does not stand in the end if another one knows better.
func TestSharedLease(t *testing.T) {
	for _, test := range []struct {
		name               string
		slow, quick, stays int
	}{{"same version", 7, 7, 7}, {"older version", 7, 8, 0}} {
		t.Run(test.name, func(t *testing.T) {
			s, a, b := cluster(t)
			a.fetches(t, k, test.slow, func() storage.Fact {
				begun := time.Now()
				if !b.fetches(t, k, test.quick, always(test.quick)) {
					t.Error("the second reader did not read")
				}
				if took := time.Since(begun); took < b.times.patience {
					t.Errorf("the second reader waited only %v", took)
				}
				s.entry(t, test.quick)
				return version(test.slow)
			})
			s.entry(t, test.stays)
		})
	}
}

// TestWaitsForOneLease: where nothing is remembered, readers do not queue up behind each other.
func TestWaitsForOneLease(t *testing.T) {
	s, a, b := cluster(t)
	b.times.patience = ample
	done := make(chan struct{})
	a.fetches(t, k, 7, func() storage.Fact {
		go func() {
			defer close(done)
			if !b.fetches(t, k, 7, always(7)) {
				t.Error("the second reader did not read")
			}
		}()
		eventually(t, "the second reader looked twice", func() bool { return b.conn.calls.Load() >= 2 })
		if err := s.client(t).Set(t.Context(), "test:fact:"+k, newLease(), time.Minute).Err(); err != nil {
			t.Error(err)
		}
		<-done
		return version(7)
	})
}

// TestNotFilled: what happens to the lease while its reader reads.
func TestNotFilled(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, s *server, b *node) error{
		"changed":   func(t *testing.T, _ *server, b *node) error { return b.Changed(t.Context(), k) },
		"flushed":   func(t *testing.T, s *server, _ *node) error { return s.client(t).FlushAll(t.Context()).Err() },
		"it is old": func(t *testing.T, s *server, _ *node) error { passes(time.Second + 50*time.Millisecond); return nil },
		"another lease": func(t *testing.T, s *server, _ *node) error {
			return s.client(t).Set(t.Context(), "test:fact:"+k, newLease(), time.Minute).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, a, b := cluster(t)
			a.times.life = time.Second
			a.fetches(t, k, 7, func() storage.Fact {
				if err := meanwhile(t, s, b); err != nil {
					t.Error(err)
				}
				return version(7)
			})
			s.entry(t, 0)
			if !b.fetches(t, k, 8, always(8)) {
				t.Error("the store was not read")
			}
		})
	}
}

// TestLifeIsThatOfTheLease: an entry dies when the lease would have, whenever it was filled.
func TestLifeIsThatOfTheLease(t *testing.T) {
	s, a, _ := cluster(t)
	a.fetches(t, k, 7, func() storage.Fact {
		passes(400 * time.Millisecond)
		return version(7)
	})
	s.entry(t, 7)
	if left := s.client(t).PTTL(t.Context(), "test:fact:"+k).Val(); left <= 0 || left > a.times.life-400*time.Millisecond {
		t.Errorf("it lives for another %v", left)
	}
}
