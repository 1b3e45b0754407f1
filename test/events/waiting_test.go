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
	waitRounds  = 12  // of which each cluster has its turn
	roundPushes = 200 // of a turn
	waitClients = 2   // that push at once: as many as this has to be measured with on two cores
)

// measured is a cluster whose pushes are timed.
type measured struct {
	name          string
	cluster       *cluster.Cluster
	before, after func()          // a turn
	p50, p99      []time.Duration // of each turn
	next          int
}

// TestNoPushWaits: a manifest push takes as long with an endpoint that hangs as without endpoints, and with Redis hanging 100 ms longer at most.
//
// Three clusters take turns, so that all bear what else the machine does, and the medians of their turns' p99 are compared: with 200 pushes a turn, p99 is the
// second longest. 10 % of what a push takes here is less than by what that differs from run to run for a cluster that is compared with itself; so there
// are 5 ms to spare, and the ratio is printed. The caches are off: a writer that cannot reach Redis waits the second out for which others may
// remember what it changed, which has nothing to do with events.
func TestNoPushWaits(t *testing.T) {
	s := newSink(t)
	s.is(hangs)
	off, hanging := "REGISTRY_CACHE_ENABLED=false", endpoints("name: hanging, url: '"+s.url+"'")
	none := &measured{name: "no endpoint", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: []string{off}})}
	hung := &measured{name: "it hangs", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: []string{off, hanging}})}
	both := &measured{name: "and Redis too", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: []string{off, hanging}})}
	both.before, both.after = both.cluster.Redis.Pause, both.cluster.Redis.Resume
	all := []*measured{none, hung, both}
	client := newClient(t)
	for _, m := range all {
		pushBlobs(t, client, m.cluster.Node(0).URL, "some/repo")
		m.turn(t, client, false)
	}
	for i := range waitRounds {
		for j := range all {
			all[(i+j)%len(all)].turn(t, client, true)
		}
	}
	for _, m := range all {
		t.Logf("%-13s p50 %v, p99 %v; of the turns: %v", m.name, median(m.p50), median(m.p99), m.p99)
	}
	least, with, worst := median(none.p99), median(hung.p99), median(both.p99)
	t.Logf("p99 with an endpoint that hangs: %.3f of that without", float64(with)/float64(least))
	if most := least + max(least/10, 5*time.Millisecond); with > most {
		t.Errorf("p99 is %v with an endpoint that hangs, want %v at most", with, most)
	}
	if most := least + 100*time.Millisecond; worst > most {
		t.Errorf("p99 is %v when Redis hangs too, want %v at most", worst, most)
	}
	if n, _, _ := s.requests(); n > 0 || s.met(hangs) == 0 {
		t.Errorf("the endpoint did not hang: it was asked %d times and took %d events", s.met(hangs), n)
	}
}

// turn has some pushes made.
func (m *measured) turn(t *testing.T, client *http.Client, counts bool) {
	t.Helper()
	if m.before != nil {
		m.before()
		defer m.after()
	}
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	for i := range waitClients {
		all.Go(func() {
			for j := range roundPushes / waitClients {
				tag := fmt.Sprintf("v%d-%d-%d", m.next, i, j)
				d, err := pushManifest(t, client, m.cluster.Node(j%3).URL, "some/repo", tag)
				if err != nil {
					t.Errorf("%s: push %s: %v", m.name, tag, err)
					return
				}
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	m.next++
	if len(took) < roundPushes {
		t.FailNow()
	}
	if slices.Sort(took); counts {
		m.p50, m.p99 = append(m.p50, took[len(took)/2]), append(m.p99, took[len(took)*99/100-1])
	}
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2].Round(100 * time.Microsecond)
}
