//go:build stores

package facts

import (
	"strconv"
	"testing"
	"time"
)

// TestMayNotWrite: a server that may not write any more gives nothing, also to those who are connected to it already.
func TestMayNotWrite(t *testing.T) {
	for name, command := range map[string][]any{
		"it became a replica":     {"REPLICAOF", "127.0.0.1", "1"},
		"it has too few replicas": {"CONFIG", "SET", "min-replicas-to-write", "1"},
		"its memory is used up":   {"CONFIG", "SET", "maxmemory", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			s, a, _ := cluster(t)
			a.fetches(t, k, 7, always(7))
			if a.fetches(t, k, 7, always(8)) {
				t.Error("nothing is remembered")
			}
			if err := s.client(t).Do(t.Context(), command...).Err(); err != nil {
				t.Fatal(err)
			}
			a.times.life = 0 // nor is anything waited for
			if !a.fetches(t, k, 8, always(8)) {
				t.Error("it gave what it remembers")
			}
		})
	}
}

// TestManyKeys: those that are told to have changed at once may be more than one call has time for.
func TestManyKeys(t *testing.T) {
	_, a, b := cluster(t)
	keys := make([]string, 5*atOnce+1)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
		a.fetches(t, keys[i], 7, always(7))
	}
	called := b.conn.calls.Load()
	if err := b.Changed(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	if calls := b.conn.calls.Load() - called; calls != 6 {
		t.Errorf("it took %d calls", calls)
	}
	for _, key := range keys {
		if !a.fetches(t, key, 8, always(8)) {
			t.Fatalf("%s is remembered", key)
		}
	}
}

// TestManyKeysCut: if some of them could not be told, all are waited out.
func TestManyKeysCut(t *testing.T) {
	_, _, b := cluster(t)
	b.times.life = time.Second
	b.conn.meets(func(call int64) int {
		if call == 3 {
			return dropped
		}
		return through
	})
	begun := time.Now()
	if err := b.Changed(t.Context(), make([]string, 5*atOnce)...); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 1100*time.Millisecond {
		t.Errorf("it waited only %v", took)
	}
	if calls := b.conn.calls.Load(); calls != 3 {
		t.Errorf("it went on after a failure: %d calls", calls)
	}
}
