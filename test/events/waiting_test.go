//go:build stores

package events_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

const (
	leastRounds = 5                 // that are compared
	mostRounds  = 24                // while more than two thirds were too long
	fairRounds  = 9                 // that there may be however long they take
	waitTime    = 100 * time.Second // after which no other round begins
	waitTurns   = 5                 // of each kind in a round
	turnPushes  = 20                // of a turn
	waitClients = 2                 // that push at once: as many as can be measured with on two cores
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
// Three clusters take turns of a few pushes, in an order that chance has chosen, so that all bear what else the machine does. A round is 100 pushes of each
// kind. Its p50 is compared with that of another kind in the same round, and its p99 too: it is too long if it is longer by more than 10 %, or 5 ms if that
// is more, and with Redis hanging by more than 100 ms. On a machine that does other things as well a round may be too long for no reason, but chance makes
// no more than every other one so, however much there is to do; pushes that wait for something make nearly every round too long: a wait of them all shows
// in p50, which is the steadier one, and a wait of a few in p99. So there are rounds until no more than two thirds of them were too long, and the test fails
// if that does not come to be. The medians of the ratios are printed.
//
// While Redis hangs, pushes are by digest, and compared with such: whoever sets a tag and cannot reach Redis waits the second out for which other nodes may
// remember what it was, which has nothing to do with events.
func TestNoPushWaits(t *testing.T) {
	s := newSink(t)
	s.is(hangs)
	hanging := []string{endpoints("name: hanging, url: '" + s.url + "'")}
	none := &measured{name: "by tag, no endpoint", cluster: cluster.Start(t, cluster.Options{Redis: true})}
	hung := &measured{name: "by tag, it hangs", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: hanging})}
	calm := &measured{name: "by digest, no endpoint", cluster: none.cluster, byDigest: true}
	both := &measured{name: "by digest, it hangs and Redis too", cluster: cluster.Start(t, cluster.Options{Redis: true, Env: hanging}), byDigest: true}
	all := []*measured{none, hung, calm, both}
	p50, p99 := func(m *measured) []time.Duration { return m.p50 }, func(m *measured) []time.Duration { return m.p99 }
	compared := []comparison{
		{"p50 with an endpoint that hangs", p50, hung, none, little},
		{"p99 with an endpoint that hangs", p99, hung, none, little},
		{"p50 with Redis hanging too", p50, both, calm, some},
		{"p99 with Redis hanging too", p99, both, calm, some},
	}
	client, random := newClient(t), chance(t)
	for _, m := range all {
		pushBlobs(t, client, m.cluster.Node(0).URL, "some/repo")
		m.turn(t, client)
		m.took = nil // a node's first push asks more
	}
	begun := time.Now()
	more := func(rounds int) bool {
		inTime := rounds < fairRounds || rounds < mostRounds && time.Since(begun) < waitTime
		return rounds < leastRounds || inTime && slices.ContainsFunc(compared, comparison.waits)
	}
	for rounds := 0; more(rounds); rounds++ {
		both.cluster.Redis.Pause()
		for range waitTurns {
			for _, i := range random.Perm(len(all)) {
				all[i].turn(t, client)
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
	for _, c := range compared {
		t.Logf("%s: %.3f of that without; too long in %d of %d rounds", c.what, c.ratio(), c.long(), len(c.of(c.with)))
		if c.waits() {
			t.Errorf("pushes wait: %s was too long in %d of %d rounds", c.what, c.long(), len(c.of(c.with)))
		}
	}
	if n, _, _ := s.requests(); n > 0 || s.met(hangs) == 0 {
		t.Errorf("the endpoint did not hang: it was asked %d times and took %d events", s.met(hangs), n)
	}
}

// comparison is of two kinds of pushes, each round by itself.
type comparison struct {
	what          string
	of            func(*measured) []time.Duration // what is compared, by round
	with, without *measured
	grace         func(time.Duration) time.Duration // how much longer it may be than the one without
}

// long counts the rounds in which it was longer than it may be.
func (c comparison) long() (n int) {
	for i, without := range c.of(c.without) {
		if c.of(c.with)[i]-without > c.grace(without) {
			n++
		}
	}
	return n
}

// waits is what is said of pushes for which more than two thirds of the rounds were too long.
func (c comparison) waits() bool { return 3*c.long() > 2*len(c.of(c.without)) }

// ratio is the median of those of the rounds.
func (c comparison) ratio() float64 {
	var all []float64
	for i, without := range c.of(c.without) {
		all = append(all, float64(c.of(c.with)[i])/float64(without))
	}
	return median(all)
}

func little(d time.Duration) time.Duration { return max(d/10, 5*time.Millisecond) }
func some(time.Duration) time.Duration     { return 100 * time.Millisecond }

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

func median[T cmp.Ordered](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
