//go:build stores

package consistency_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

// TestTagsCluster is TestTags with nodes that are processes of their own, as they are released.
func TestTagsCluster(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Redis: true})
	traffic := newTraffic(t, load{
		seed: *seed, duration: *duration * 5 / 6, readers: 15, writers: 9, tags: 3, turn: 2 * time.Second, pause: 20 * time.Millisecond,
	}, urls(c)...)
	ctx, stop := context.WithCancel(t.Context())
	var disturbing sync.WaitGroup
	disturbing.Go(func() { disturb(ctx, t, rand.New(rand.NewPCG(*seed, 1<<33)), nuisances(c)) })
	traffic.run(func() { stop(); disturbing.Wait() })
	t.Logf("answers: %v", traffic.seen)
	traffic.history.check(t)
	c.Check(t)
}

// urls are those of all nodes, past the proxy.
func urls(c *cluster.Cluster) (urls []string) {
	for _, n := range c.Nodes() {
		urls = append(urls, n.URL)
	}
	return urls
}

// nuisances are what happens to a cluster of three.
func nuisances(c *cluster.Cluster) []disturbance {
	off := func(what string, most time.Duration, node int, way cluster.Way, how cluster.Cut) disturbance {
		n := c.Node(node)
		return disturbance{what, most, func() { n.CutOff(way, how) }, func() { n.Reconnect(way) }}
	}
	return []disturbance{
		off("node 1 is cut off from Redis", aWhile, 0, cluster.FromRedis, cluster.Refuse),
		off("node 2 is cut off from Redis", aWhile, 1, cluster.FromRedis, cluster.Refuse),
		off("node 3 is cut off from Redis", aWhile, 2, cluster.FromRedis, cluster.Refuse),
		off("node 1 hears nothing of Redis", aWhile, 0, cluster.FromRedis, cluster.Hang),
		off("node 2 hears nothing of Redis", aWhile, 1, cluster.FromRedis, cluster.Hang),
		off("node 3 is cut off from the store", aMoment, 2, cluster.FromStore, cluster.Refuse),
		off("node 2 hears nothing of the store", aMoment, 1, cluster.FromStore, cluster.Hang),
		{"Redis is slow", aWhile, func() { c.Redis.Delay(30 * time.Millisecond) }, func() { c.Redis.Delay(0) }},
		{"Redis is very slow", aWhile, func() { c.Redis.Delay(100 * time.Millisecond) }, func() { c.Redis.Delay(0) }},
		{"Redis is flushed", aMoment, c.Redis.Flush, nil},
		{"Redis hangs", aWhile, c.Redis.Pause, c.Redis.Resume},
		{"Redis is killed", aWhile, c.Redis.Kill, c.Redis.Restart},
	}
}
