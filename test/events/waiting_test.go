//go:build stores

package events_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

const (
	waitRounds  = 12 // whose p99 are compared
	leastRounds = 5  // on a machine that is busy, where more would take too long
	waitTurns   = 10 // of each kind in a round
	turnPushes  = 20 // of a turn
	waitClients = 2  // that push at once: as many as can be measured with on two cores
)

// measured is a cluster whose pushes are timed.
type measured struct {
	name     string
	cluster  *cluster.Cluster
	byDigest bool
	turns    int
	took     []time.Duration // in this round
	p50, p99 []time.Duration // of each round
}

// TestNoPushWaits: a manifest push takes as long with an endpoint that hangs as without endpoints, and with Redis hanging 100 ms longer at most.
//
// Three clusters take turns of a few pushes, so that all bear what else the machine does, and the medians of p99 of the rounds are compared, which are of
// 200 pushes each. On a machine that does other things as well these differ by more than 10 % for one and the same cluster. So the limit is 10 %, or 5 ms
// if that is more, and what the middle half of the rounds without endpoints spans; the ratio is printed. While Redis hangs, pushes are by digest, and
// compared with such: whoever sets a tag and cannot reach Redis waits the second out for which other nodes may remember what it was, which has nothing to
// do with events.
func TestNoPushWaits(t *testing.T) {
	s := newSink(t)
	s.is(hangs)
	hanging := []string{endpoints("name: hanging, url: '" + s.url + "'")}
	none := &measured{name: "by tag, no endpoint", cluster: cluster.Start(t, cluster.Options{Redis: true})}
	hung := &measured{name: "by tag, it hangs", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: hanging})}
	calm := &measured{name: "by digest, no endpoint", cluster: none.cluster, byDigest: true}
	both := &measured{name: "by digest, it hangs and Redis too", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: hanging}), byDigest: true}
	all := []*measured{none, hung, calm, both}
	client := newClient(t)
	for _, m := range all {
		pushBlobs(t, client, m.cluster.Node(0).URL, "some/repo")
		m.turn(t, client)
		m.took = nil // a node's first push asks more
	}
	begun := time.Now()
	for round := 0; round < leastRounds || round < waitRounds && time.Since(begun) < 40*time.Second; round++ {
		both.cluster.Redis.Pause()
		for i := range waitTurns {
			for j := range all {
				all[(i+j)%len(all)].turn(t, client)
			}
		}
		both.cluster.Redis.Resume()
		for _, m := range all {
			m.endRound()
		}
	}
	for _, m := range all {
		t.Logf("%-33s p50 %v, p99 %v; p99 of the rounds: %v", m.name, median(m.p50), median(m.p99), m.p99)
	}
	least, with, alone, worst := median(none.p99), median(hung.p99), median(calm.p99), median(both.p99)
	t.Logf("p99 with an endpoint that hangs: %.3f of that without; with Redis hanging too: %.3f", float64(with)/float64(least), float64(worst)/float64(alone))
	t.Logf("the middle half of the rounds without endpoints spans %v", span(none.p99))
	if most := least + max(least/10, 5*time.Millisecond) + span(none.p99); with > most {
		t.Errorf("p99 is %v with an endpoint that hangs, want %v at most", with, most)
	}
	if most := alone + 100*time.Millisecond; worst > most {
		t.Errorf("p99 is %v when Redis hangs too, want %v at most", worst, most)
	}
	if n, _, _ := s.requests(); n > 0 || s.met(hangs) == 0 {
		t.Errorf("the endpoint did not hang: it was asked %d times and took %d events", s.met(hangs), n)
	}
}

// turn has some pushes made.
func (m *measured) turn(t *testing.T, client *http.Client) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range waitClients {
		all.Go(func() {
			for j := range turnPushes / waitClients {
				name := fmt.Sprintf("v%d-%d-%d", m.turns, i, j)
				d, err := pushManifest(t, client, m.cluster.Node(j%3).URL, "some/repo", name, m.byDigest)
				if err != nil {
					t.Errorf("%s: push %s: %v", m.name, name, err)
					return
				}
				mu.Lock()
				m.took = append(m.took, d)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	m.turns++
	if t.Failed() {
		t.FailNow()
	}
}

func (m *measured) endRound() {
	slices.Sort(m.took)
	n := len(m.took)
	m.p50, m.p99, m.took = append(m.p50, m.took[n/2].Round(100*time.Microsecond)), append(m.p99, m.took[n*99/100-1].Round(100*time.Microsecond)), nil
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// span is what the middle half of all spans: a good deal more than their median is off by, by chance.
func span(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)*3/4] - sorted[len(sorted)/4]
}
