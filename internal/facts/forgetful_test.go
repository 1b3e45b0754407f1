//go:build stores

package facts

import (
	"testing"
	"time"
)

// forgetful is another node on the same Redis, without the cache.
func (s *server) forgetful(t *testing.T) *node {
	t.Helper()
	c := &conn{client: s.client(t)}
	n := &node{New(c, Options{Namespace: "test", Forgetful: true}), c}
	n.times.budget = ample
	return n
}

// TestForgetful: a node that remembers nothing tells those that do.
func TestForgetful(t *testing.T) {
	s, a, _ := cluster(t)
	b := s.forgetful(t)
	a.fetches(t, k, 7, always(7))
	if !b.fetches(t, k, 8, always(8)) {
		t.Error("it gave what it remembers")
	}
	if calls := b.conn.calls.Load(); calls != 0 {
		t.Errorf("a read asked Redis %d times", calls)
	}
	s.entry(t, 7)
	if err := b.Changed(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if !a.fetches(t, k, 8, always(8)) {
		t.Error("the other node was not told")
	}
}

// TestForgetfulWaits: with Redis away, it waits until nobody remembers what was there before.
func TestForgetfulWaits(t *testing.T) {
	s, a, _ := cluster(t)
	b := s.forgetful(t)
	a.times.life = time.Second
	a.fetches(t, k, 7, always(7))
	b.conn.meets(func(int64) int { return dropped })
	begun := time.Now()
	if err := b.Changed(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 1100*time.Millisecond {
		t.Errorf("it waited only %v", took)
	}
	if !a.fetches(t, k, 8, always(8)) {
		t.Error("the store was not read")
	}
}
