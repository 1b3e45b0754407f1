//go:build stores

package consistency_test

import (
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
	n                 int
	median, p999, max time.Duration
}

// summary sorts them out, when nothing is added any more.
func (l *latencies) summary() map[string]spread {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]spread{}
	for kind, took := range l.of {
		slices.Sort(took)
		n := len(took)
		all[kind] = spread{n, took[n/2], took[n*999/1000], took[n-1]}
	}
	return all
}

// noSlower fails if a request waited more than allowed longer than the longest of its kind in without, and shows both.
func (l *latencies) noSlower(t *testing.T, without *latencies, allowed time.Duration) {
	t.Helper()
	was, is := without.summary(), l.summary()
	for _, kind := range slices.Sorted(maps.Keys(is)) {
		a, b := was[kind], is[kind]
		t.Logf("%-13s without: %6d, median %4d ms, 99.9%% %5d ms, longest %5d ms   with: %6d, median %4d ms, 99.9%% %5d ms, longest %5d ms", kind,
			a.n, a.median.Milliseconds(), a.p999.Milliseconds(), a.max.Milliseconds(), b.n, b.median.Milliseconds(), b.p999.Milliseconds(), b.max.Milliseconds())
		if a.n == 0 {
			t.Errorf("%s: there is nothing to compare with", kind)
		} else if b.max > a.max+allowed {
			t.Errorf("%s: one took %v, more than %v longer than the longest without Redis, %v", kind, b.max, allowed, a.max)
		}
	}
}
