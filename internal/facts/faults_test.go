//go:build stores

package facts

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

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

// TestHung: a writer waits until what the others remember has died. (TestAwayChanged holds that it waits no longer.)
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
	if took < 1100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if !a.fetches(t, k, 8, always(8)) {
		t.Error("the store was not read")
	}
}
