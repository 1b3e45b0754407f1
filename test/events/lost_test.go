//go:build stores

// Package events_test holds what is promised of events against clusters of real nodes: none is lost or early, and none costs a push anything to speak of.
package events_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

var seed = flag.Uint64("seed", 0, "what chance begins with; 0 for the time")

// chance is logged, so that a failure can be looked at again.
func chance(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// arriveTime is how long the last events may take after all is well again. The longest way is that of an event that a node had in hand when it was killed:
// another takes it over after 45 s, and looks every 11 s; or that of one that only the journal has, when the relay was killed: its lease ends after 30 s,
// others ask for it every 12 s, and then walk. That makes a
// minute; the rest is for machines that have much to do.
const arriveTime = 5 * time.Minute

// chaosEndpoint does not leave an endpoint alone for long, so that the test ends.
const chaosEndpoint = "timeout: 2s, threshold: 5, backoff: 100ms, maxbackoff: 1s, maxattempts: 10000"

// TestNothingIsLost: 16 clients push while nodes are killed and restarted, Redis is killed, hung and flushed, and the endpoint answers 500, hangs and is
// away. Each push and deletion that was acknowledged is told of, by events of one id, and never before it can be pulled from every node.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const pushes = 2000
	random := chance(t)
	redis, s := startRedis(t), newSink(t)
	c := cluster.Start(t, cluster.Options{Env: []string{
		"REGISTRY_REDIS_ADDRS=" + redis.Addr, endpoints("name: sink, url: '" + s.url + "', " + chaosEndpoint),
	}})
	crowd := &crowd{T: t, ledger: newLedger(), cluster: c, clients: 16, think: 350 * time.Millisecond}
	w := newWitness(t, crowd.ledger, 4, c.Nodes())
	s.look = w.look(t)
	crowd.begin()

	harming, over := context.WithCancel(t.Context())
	var harms sync.WaitGroup
	harms.Go(func() { disturb(t, 3, nodesDie(c)) })
	harms.Go(func() { disturb(t, 2, redisFails(redis)) })
	harms.Go(func() { disturb(t, 3, sinkFails(s)) })
	go func() { harms.Wait(); over() }()
	begun := time.Now()
	crowd.run(random, func() bool { return harming.Err() != nil && crowd.acked.Load() >= pushes })
	t.Logf("after %v all is well again and nobody pushes any more", time.Since(begun).Round(time.Second))
	allArrive(t, crowd.ledger, s)
	w.check(t)
}

// TestNothingIsLostWithoutRedis is the same where there is none: the relay delivers from the journal.
func TestNothingIsLostWithoutRedis(t *testing.T) {
	t.Parallel()
	const pushes = 300
	random := chance(t)
	s := newSink(t)
	c := cluster.Start(t, cluster.Options{Env: []string{endpoints("name: sink, url: '" + s.url + "', " + chaosEndpoint)}})
	crowd := &crowd{T: t, ledger: newLedger(), cluster: c, clients: 3, think: 400 * time.Millisecond}
	w := newWitness(t, crowd.ledger, 1, c.Nodes())
	s.look = w.look(t)
	crowd.begin()

	harming, over := context.WithCancel(t.Context())
	var harms sync.WaitGroup
	harms.Go(func() {
		disturb(t, 1, sinkFails(s))
		disturb(t, 1, nodesDie(c)) // last: with the relay dies its lease 30 s later, and nothing is delivered until then
	})
	go func() { harms.Wait(); over() }()
	crowd.run(random, func() bool { return harming.Err() != nil && crowd.acked.Load() >= pushes })
	allArrive(t, crowd.ledger, s)
	w.check(t)
}

// allArrive waits for what is missing.
func allArrive(t *testing.T, l *ledger, s *sink) {
	t.Helper()
	missing := func() int {
		_, pushes := l.count("push")
		_, deletions := l.count("delete")
		return pushes + deletions
	}
	t.Logf("%d events are still to arrive", missing())
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), arriveTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for missing() > 0 && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	t.Logf("%d are missing after %v; requests that found the endpoint well: %d, failing: %d, hanging: %d",
		missing(), time.Since(begun).Round(time.Second), s.met(well), s.met(fails), s.met(hangs))
}
