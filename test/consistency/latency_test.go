//go:build stores

package consistency_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// latencies are how long requests took, by what they were for. Safe for concurrent use.
type latencies struct {
	mu sync.Mutex
	of map[string][]time.Duration
}

func newLatencies() *latencies { return &latencies{of: map[string][]time.Duration{}} }

func (l *latencies) add(kind string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[kind] = append(l.of[kind], took)
}

// spread is what is said of many latencies.
type spread struct {
	n                      int
	median, p99, p999, max time.Duration
}

// everything is the kind of all requests together.
const everything = "all of them"

// summary sorts them out, when nothing is added any more.
func (l *latencies) summary() map[string]spread {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, together := map[string]spread{}, []time.Duration{}
	for kind, took := range l.of {
		all[kind] = spreadOf(took)
		together = append(together, took...)
	}
	all[everything] = spreadOf(together)
	return all
}

func spreadOf(took []time.Duration) spread {
	n := len(took)
	if n == 0 {
		return spread{}
	}
	slices.Sort(took)
	return spread{n, took[n/2], took[n*99/100], took[n*999/1000], took[n-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%5d, median %4d ms, 99%% %5d ms, 99.9%% %5d ms, longest %5d ms", s.n, s.median.Milliseconds(), s.p99.Milliseconds(),
		s.p999.Milliseconds(), s.max.Milliseconds())
}

// hiccup is how much longer than 99 of 100 the longest one without Redis may have taken, for the comparison with it: a single request that was out of luck,
// on a machine that has much to do, would excuse all others.
const hiccup = time.Second

// noSlower fails if a request waited more than allowed longer than the longest one in without, of whatever kind (a machine that stands still for a moment
// does so for any), or if one of 1000 requests waited more than allowed longer than one of 1000 there. It shows both.
func (l *latencies) noSlower(t *testing.T, without *latencies, allowed time.Duration) {
	t.Helper()
	was, is := without.summary(), l.summary()
	longest := min(was[everything].max, was[everything].p99+hiccup)
	for _, kind := range slices.Sorted(maps.Keys(is)) {
		a, b := was[kind], is[kind]
		t.Logf("%-13s without: %v   with: %v", kind, a, b)
		switch {
		case a.n == 0:
			t.Errorf("%s: there is nothing to compare with", kind)
		case kind != everything && b.max > longest+allowed:
			t.Errorf("%s: one took %v, more than %v longer than the longest without Redis, %v, of which %v counts", kind, b.max, allowed, was[everything].max, longest)
		case kind == everything && b.p999 > a.p999+allowed:
			t.Errorf("one of 1000 took %v, more than %v longer than without Redis, %v", b.p999, allowed, a.p999)
		}
	}
}
