package redisconn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	patience     = 3                      // how many failures in a row are taken for more than bad luck
	probeEvery   = 250 * time.Millisecond // while something is wrong; jittered
	probeTimeout = 250 * time.Millisecond
	beat         = 5 * time.Second // while nothing is, so that registryd_redis_up is right on a node that has nothing to do
)

// failed notes a call that Redis did not answer within budget, and opens the breaker after too many.
func (c *Conn) failed(err error, budget time.Duration) {
	b := &c.breaker
	if c.closed.Load() || b.failures.Add(1) < patience {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.Load() {
		return
	}
	b.since, b.within = time.Now(), 0
	if slow(err) {
		b.within = budget
	}
	b.open.Store(true)
	b.rouse()
	c.log.Warn(advice(err))
}

// answered notes an answer to a probe that took so long, and closes the breaker if it was open, which may have happened while the probe was under way. It
// says false if that was not fast enough.
func (c *Conn) answered(took time.Duration) bool {
	b := &c.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open.Load() && b.within > 0 && took > b.within {
		return false
	}
	b.failures.Store(0)
	if b.open.Swap(false) {
		c.log.Info("Redis answers again.", zap.Duration("away", time.Since(b.since)))
	}
	return true
}

// rouse has watch look sooner than with the next beat.
func (b *breaker) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// watch asks Redis now and then, often while it is away, until ctx ends. The first time is at once, so that nobody has to wait for the first connection.
func (c *Conn) watch(ctx context.Context) {
	defer close(c.watching)
	for {
		err := c.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.failed(err, c.probing)
		}
		if !c.rest(ctx, err == nil) {
			return
		}
	}
}

// rest waits until it is time for the next probe, and says false if ctx ended.
func (c *Conn) rest(ctx context.Context, well bool) bool {
	if well {
		long := time.NewTimer(beat)
		defer long.Stop()
		select {
		case <-long.C:
			return true
		case <-c.breaker.wake:
		case <-ctx.Done():
			return false
		}
	}
	short := time.NewTimer(probeEvery*3/4 + rand.N(probeEvery/2))
	defer short.Stop()
	select {
	case <-short.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// probe finds out whether Redis is good for what it was not good for when it went away, and notes if it is. If it was too slow, it has to be faster
// than that; the first time may include making a connection, so a second one counts.
func (c *Conn) probe(ctx context.Context) error {
	var took time.Duration
	for range 2 {
		start := time.Now()
		if err := c.ask(ctx, c.probing, probe); err != nil {
			return err
		}
		if took = time.Since(start); c.answered(took) {
			return nil
		}
	}
	return fmt.Errorf("an answer took %s: %w", took.Round(time.Millisecond), context.DeadlineExceeded)
}

// probeKey is written for a second by each probe, and never read.
const probeKey = "registryd:probe"

// probeScript does what is done with Redis all the time: a script that writes, with a first line that Redis knows since 7.0. PING alone would say yes where
// the disk or the memory is full, where the user may not run scripts, on a replica, and in a Cluster that has lost a part of its slots.
const probeScript = `#!lua
return redis.call('SET', KEYS[1], '1', 'PX', 1000)`

func probe(ctx context.Context, client redis.UniversalClient) error {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		// Of this every master counts; it also makes a client that saw no failover look for the new ones.
		ping := func(ctx context.Context, master *redis.Client) error { return master.Ping(ctx).Err() }
		if err := cluster.ForEachMaster(ctx, ping); err != nil {
			return err
		}
	}
	return client.Eval(ctx, probeScript, []string{probeKey}).Err()
}
