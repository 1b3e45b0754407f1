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
	of map[string][]latency
}

// latency is that of one request.
type latency struct {
	begun time.Time
	took  time.Duration
}

func newLatencies() *latencies { return &latencies{of: map[string][]latency{}} }

func (l *latencies) add(kind string, begun time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[kind] = append(l.of[kind], latency{begun, took})
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
	for kind, requests := range l.of {
		var took []time.Duration
		for _, r := range requests {
			took = append(took, r.took)
		}
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

// unlucky is how many requests may have waited too long, of a thousand: on a machine that has much to do, a process may be left out for a second while
// others are not. What a node waits for when Redis fails, many requests wait for.
const unlucky = 1

// noSlower fails if requests waited more than allowed longer than any in without, of whatever kind, that was under way at the same time: a machine that
// stands still for a moment does so for both. It shows both.
func (l *latencies) noSlower(t *testing.T, without *latencies, allowed time.Duration) {
	t.Helper()
	was, is := without.summary(), l.summary()
	for _, kind := range slices.Sorted(maps.Keys(is)) {
		t.Logf("%-13s without: %v   with: %v", kind, was[kind], is[kind])
	}
	if was[everything].n < is[everything].n/4 {
		t.Errorf("%d requests without Redis are too few to compare %d with", was[everything].n, is[everything].n)
	}
	slow := l.slower(without, allowed)
	t.Logf("%d of %d requests waited more than %v longer than those without Redis at the same time: %v", len(slow), is[everything].n, allowed, slow)
	if len(slow)*1000 > is[everything].n*unlucky {
		t.Errorf("%d of %d requests waited more than %v longer than any without Redis at the same time, want %d of 1000 at most", len(slow), is[everything].n, allowed, unlucky)
	}
}

// slower names the requests that took more than allowed longer than the longest one in without at the same time.
func (l *latencies) slower(without *latencies, allowed time.Duration) (all []string) {
	for _, kind := range slices.Sorted(maps.Keys(l.of)) {
		for _, r := range l.of[kind] {
			if r.took > allowed && r.took > without.longest(r)+allowed {
				all = append(all, fmt.Sprintf("%s %v", kind, r.took.Round(time.Millisecond)))
			}
		}
	}
	return all
}

// longest is how long the longest request took that was under way during another one.
func (l *latencies) longest(during latency) (longest time.Duration) {
	for _, requests := range l.of {
		for _, r := range requests {
			if r.begun.Before(during.begun.Add(during.took)) && during.begun.Before(r.begun.Add(r.took)) {
				longest = max(longest, r.took)
			}
		}
	}
	return longest
}
