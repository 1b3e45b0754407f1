//go:build stores

package consistency_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// disturb does one thing after the other, each for a while, until it is told to stop; then all is well again.
func disturb(ctx context.Context, t *testing.T, random *rand.Rand, things []disturbance) {
	for ctx.Err() == nil {
		random.Shuffle(len(things), func(i, j int) { things[i], things[j] = things[j], things[i] })
		for _, thing := range things {
			pass(ctx, time.Duration(50+random.IntN(700))*time.Millisecond)
			if ctx.Err() != nil {
				return
			}
			t.Logf("%s", thing.what)
			thing.begin()
			pass(ctx, time.Duration(50+random.Int64N(max(1, thing.most.Milliseconds()-50)))*time.Millisecond)
			if thing.end != nil {
				thing.end()
			}
		}
	}
}

// disturbance is something that happens to Redis, or to a way to it or to the store.
type disturbance struct {
	what       string
	most       time.Duration // it lasts
	begin, end func()
}

// A while is longer than anything is remembered, a moment is not.
const (
	aWhile  = 1300 * time.Millisecond
	aMoment = 500 * time.Millisecond
)

func (c *trio) disturbances(t *testing.T) []disturbance {
	must := func(do func() error) func() {
		return func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		}
	}
	a, b, d := c.links[0], c.links[1], c.links[2]
	return []disturbance{
		{"node 1 is cut off from Redis", aWhile, a.breaks, a.works},
		{"node 2 is cut off from Redis", aWhile, b.breaks, b.works},
		{"node 3 is cut off from Redis", aWhile, d.breaks, d.works},
		{"node 1 hears nothing of Redis", aWhile, a.stands, a.works},
		{"nodes 2 and 3 hear nothing of Redis", aWhile, func() { b.stands(); d.stands() }, func() { b.works(); d.works() }},
		{"Redis is flushed", aMoment, func() { c.flush(t) }, nil},
		{"Redis is flushed again", aMoment, func() { c.flush(t) }, nil},
		{"Redis hangs", aWhile, must(c.redis.Pause), must(c.redis.Resume)},
		{"Redis is killed and restarted", aMoment, must(c.redis.Restart), nil},
	}
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
