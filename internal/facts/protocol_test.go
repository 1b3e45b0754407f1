//go:build stores

package facts

import (
	"bytes"
	"context"
	"errors"
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
	b.times.patience = 20 * time.Second
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
	b.times.patience = 20 * time.Second
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

// TestLifeIsThatOfTheLease: an entry dies a second after the lease, whenever it was filled.
func TestLifeIsThatOfTheLease(t *testing.T) {
	s, a, _ := cluster(t)
	a.times.life = time.Second
	a.fetches(t, k, 7, func() storage.Fact {
		passes(400 * time.Millisecond)
		return version(7)
	})
	s.entry(t, 7)
	if left := s.client(t).PTTL(t.Context(), "test:fact:"+k).Val(); left <= 0 || left > 600*time.Millisecond {
		t.Errorf("it lives for another %v", left)
	}
}

func TestScriptsForgotten(t *testing.T) {
	s, a, b := cluster(t)
	a.fetches(t, k, 7, func() storage.Fact {
		if err := s.client(t).ScriptFlush(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		return version(7)
	})
	s.entry(t, 7)
	if err := s.client(t).ScriptFlush(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	if b.fetches(t, k, 7, always(8)) {
		t.Error("the store was read again")
	}
}

// TestLate: calls that are carried out after their caller gave up bring nothing back.
func TestLate(t *testing.T) {
	for name, which := range map[string]int64{"look": 1, "fill": 2} {
		t.Run(name, func(t *testing.T) {
			s, a, b := cluster(t)
			a.conn.meets(func(call int64) int {
				if call == which {
					return late
				}
				return through
			})
			change := func() {
				if err := b.Changed(t.Context(), k); err != nil {
					t.Error(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := a.Fetch(ctx, k, func(context.Context) (storage.Fact, error) {
				if which == 1 {
					change()
					a.conn.arrives()
				} else {
					cancel() // nor is the wait that follows
				}
				return version(7), nil
			})
			if which == 2 {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				change()
				a.conn.arrives()
			}
			s.entry(t, 0)
			if !b.fetches(t, k, 8, always(8)) {
				t.Error("the store was not read")
			}
		})
	}
}

// TestDistrust: what a server remembers that was just met is compared with the store, and goes if it is another.
func TestDistrust(t *testing.T) {
	s, _, _ := cluster(t)
	for now, stays := range map[int]int{7: 7, 8: 0} {
		if err := s.client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		a, b := newNode(s.client(t)), newNode(s.client(t))
		a.fetches(t, k, 7, always(7))
		b.conn.distrust.Store(true)
		if !b.fetches(t, k, now, always(now)) {
			t.Error("the store was not read")
		}
		s.entry(t, stays)
		if !b.seen.settled(k, version(now).Version) {
			t.Error("the version has not settled")
		}
	}
}

// TestMalformed: what is no fact is not given, and removed.
func TestMalformed(t *testing.T) {
	s, _, _ := cluster(t)
	for _, stands := range []string{"", "E", "E\xff\xffabc", "no fact"} {
		a := newNode(s.client(t))
		if err := s.client(t).Set(t.Context(), "test:fact:"+k, stands, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if !a.fetches(t, k, 7, always(7)) {
			t.Error("the store was not read")
		}
		s.entry(t, 0)
	}
}

// TestHung: a writer waits until what the others remember has died, and no longer.
func TestHung(t *testing.T) {
	s, a, b := cluster(t)
	a.times.life, b.times.life, b.times.budget = time.Second, time.Second, 50*time.Millisecond
	a.fetches(t, k, 7, always(7))
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	err := b.Changed(t.Context(), k)
	took := time.Since(begun)
	if err := errors.Join(err, s.Resume()); err != nil {
		t.Error(err)
	}
	if took < 1100*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if !a.fetches(t, k, 8, always(8)) {
		t.Error("the store was not read")
	}
}
