//go:build stores

package consistency_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

// grace is how much longer a request may wait because there is a Redis: the second for which others may remember what changed, and a bit.
const grace = 1500 * time.Millisecond

// thinking is how long a client waits before a request of a push or a pull, at most.
const thinking = 3000 * time.Millisecond

// TestRedisFails: while 200 clients push, pull and delete, Redis is flushed, slowed, hung and killed. Nothing acknowledged is missing, nothing deleted
// is served, and no request waits much longer than on nodes without Redis that bear the same load on the same machine at the same time.
func TestRedisFails(t *testing.T) {
	without, with := cluster.Start(t, cluster.Options{}), cluster.Start(t, cluster.Options{Redis: true, Provider: "redis"})
	calm, harmed := newStress(t, urls(without), thinking), newStress(t, urls(with), thinking)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { calm.run(ctx) })
	both.Go(func() { harmed.run(ctx) })
	redis := with.Redis
	for _, thing := range []struct {
		what  string
		lasts time.Duration
		do    func()
	}{
		{"all is well", 6 * time.Second, func() {}},
		{"Redis is flushed", time.Second, redis.Flush},
		{"Redis hangs", 3 * time.Second, redis.Pause},
		{"Redis goes on", 2 * time.Second, redis.Resume},
		{"Redis is slow", 2 * time.Second, func() { redis.Delay(30 * time.Millisecond) }},
		{"Redis is very slow", 2 * time.Second, func() { redis.Delay(100 * time.Millisecond) }},
		{"Redis is as fast as ever", 2 * time.Second, func() { redis.Delay(0) }},
		{"Redis is killed", 3 * time.Second, redis.Kill},
		{"Redis is started", 2 * time.Second, redis.Restart},
		{"Redis is flushed", time.Second, redis.Flush},
	} {
		t.Log(thing.what)
		thing.do()
		pass(t.Context(), thing.lasts)
	}
	stop()
	both.Wait()
	harmed.took.noSlower(t, calm.took, grace)
	harmed.verify()
	if len(harmed.images) < stressClients/2 || len(harmed.gone) < stressClients/10 {
		t.Errorf("%d pushes and %d deletions are too few to say anything; give this machine less to do", len(harmed.images), len(harmed.gone))
	}
	with.Check(t)
}
