package uploadtoken

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// claim is what a request has of an upload in Redis. From start to Release one goroutine renews it, and tells of the points that come.
type claim struct {
	provider *Redis
	name     string
	at       Upload // what the token holds
	newest   Upload
	based    bool // Redis had a point when this claim began
	lost     chan struct{}
	wake     chan struct{} // there is a point to tell
	cancel   context.CancelFunc
	kept     chan struct{} // closed when keep has ended
	begun    time.Time
	doubtful bool         // Redis did not answer when it was first asked, and may come to do so still
	still    atomic.Int64 // nanoseconds from begun to when the request began to wait for its client, or last went on while it did; 0 if it does not wait

	mu      sync.Mutex
	mine    bool      // Redis once said so
	renewed time.Time // when it was last asked before it said so
	gone    bool      // lost is closed
	point   []byte    // the newest that was reached, sealed; nil for none
	untold  bool      // Redis does not have it
	ending  *ending   // once the request is over
}

// ending is how a claim is released.
type ending struct {
	args []any
	done bool // Redis has heard of it, or need not
}

var _ Claim = (*claim)(nil)

func (c *claim) Point() Upload         { return c.at }
func (c *claim) Newest() Upload        { return c.newest }
func (c *claim) Lost() <-chan struct{} { return c.lost }

// start begins to keep the claim, which Redis gave when it was asked at that time, or did not answer about if that is zero.
func (c *claim) start(asked time.Time) {
	c.begun, c.mine, c.renewed, c.doubtful = time.Now(), !asked.IsZero(), asked, asked.IsZero()
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.kept = cancel, make(chan struct{})
	go c.keep(ctx)
}

// keep renews the claim until it is released. A release that Redis did not hear of is repeated, since what it was asked before may be done late, and hold up
// whoever comes next: a Redis that hung goes on with what it was sent before it hung.
func (c *claim) keep(ctx context.Context) {
	defer close(c.kept)
	tick := time.NewTicker(c.provider.times.renewEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			c.renew(ctx)
		case <-c.wake:
			c.renew(ctx)
		}
	}
	wait := releaseBudget
	for end := time.Now().Add(releaseFor); !c.release(askBudget) && time.Now().Before(end); wait = min(2*wait, releaseEvery) {
		tick.Reset(wait)
		<-tick.C
	}
	if c.doubtful {
		tick.Reset(askBudget)
		<-tick.C
		c.releaseLate()
	}
}

// renew asks Redis whether the claim stands, tells of the newest point, and gives false if another has the upload. A Redis that does not answer takes no
// claim from anybody, and one that never gave it does not take it either.
func (c *claim) renew(ctx context.Context) bool {
	c.mu.Lock()
	if c.gone || c.ending != nil {
		defer c.mu.Unlock()
		return !c.gone
	}
	point, mine, still := []byte(nil), c.mine, c.isStill()
	if c.untold && !still {
		point, c.untold = c.point, false
	}
	c.mu.Unlock()

	asked := time.Now()
	answer, err := c.provider.run(ctx, renewScript, c.at, askBudget, c.name, c.provider.life(c.at), flag(mine), string(point), flag(still))
	c.mu.Lock()
	defer c.mu.Unlock()
	status := text(answer, 0)
	switch {
	case err != nil:
		c.untold = c.point != nil
	case status == isCancelled, status == isBusy && c.mine:
		c.lose()
	case status == isTaken:
		c.mine, c.renewed = true, asked
	case status == isAnew:
		c.mine, c.renewed = true, asked
		if point == nil && c.point != nil {
			c.untold = true // it went with the record
			c.poke()
		}
	}
	return !c.gone
}

// lose gives the claim up. It is called with the lock held.
func (c *claim) lose() {
	if !c.gone && c.ending == nil {
		c.gone = true
		close(c.lost)
	}
}

func (c *claim) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Held asks Redis if the last renewal is so long ago that another could have the upload.
func (c *claim) Held(ctx context.Context) bool {
	c.moved() // something is about to be done with the upload
	c.mu.Lock()
	sure, gone := c.mine && time.Since(c.renewed) < c.provider.times.sureFor, c.gone
	c.mu.Unlock()
	if gone || sure {
		return !gone
	}
	return c.renew(ctx)
}

// Reached leaves the telling to the goroutine. A point that is too long is not told; the next checkpoint is.
func (c *claim) Reached(up Upload) {
	sealed := c.seal(up)
	if sealed == nil {
		return
	}
	c.mu.Lock()
	c.point, c.untold = sealed, true
	c.mu.Unlock()
	c.moved()
	c.poke()
}

// Waiting is called for each read of a body. One that ends after a long time asks at once whether the claim still stands.
func (c *claim) Waiting(now bool) {
	if now {
		c.still.Store(c.now())
		return
	}
	wasStill := c.isStill()
	if c.still.Store(0); wasStill {
		c.poke()
	}
}

// moved notes that a request goes on, though it waits for its client.
func (c *claim) moved() {
	if since := c.still.Load(); since != 0 {
		c.still.CompareAndSwap(since, c.now())
	}
}

// isStill says whether the request has waited for its client for so long that it is not worth keeping others from the upload.
func (c *claim) isStill() bool {
	since := c.still.Load()
	return since != 0 && c.now()-since > int64(c.provider.times.stillFor)
}

// now is the time since the claim began in nanoseconds, and not 0.
func (c *claim) now() int64 { return int64(time.Since(c.begun)) | 1 }

// Release tells Redis of the end before the client hears of it, so that its next request finds the upload free.
func (c *claim) Release(_ context.Context, up Upload, over bool) {
	life := c.provider.life(c.at)
	if over {
		life = min(life, closedFor.Milliseconds())
	}
	c.mu.Lock()
	if c.ending != nil {
		c.mu.Unlock()
		return
	}
	c.ending = &ending{args: []any{c.name, life, flag(c.mine), string(c.final(up)), flag(over)}, done: c.gone}
	c.mu.Unlock()
	c.release(releaseBudget)
	c.cancel()
}

// final is the point that Redis is left with, sealed: that of the request, or if nothing came of it the one that was there before, or none. A request that
// forked off before a checkpoint of another one cannot go beyond its own next checkpoint; what it reached is not where the upload stands.
func (c *claim) final(up Upload) []byte {
	switch {
	case up.Abandoned:
		return nil
	case !up.same(c.at) && up.Seq >= c.newest.Seq:
		return c.seal(up)
	case c.based:
		return c.seal(c.newest)
	}
	return nil
}

// releaseLate ends a claim that came to stand after its release, and does nothing else.
func (c *claim) releaseLate() {
	c.mu.Lock()
	args := slices.Clone(c.ending.args)
	c.mu.Unlock()
	args[2] = flag(true) // else it would end what is free
	args[3] = ""         // others may have been there meanwhile
	_, _ = c.provider.run(context.Background(), releaseScript, c.at, askBudget, args...)
}

// release says whether Redis has heard of the end.
func (c *claim) release(budget time.Duration) bool {
	c.mu.Lock()
	end := *c.ending
	c.mu.Unlock()
	if end.done {
		return true
	}
	_, err := c.provider.run(context.Background(), releaseScript, c.at, budget, end.args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending.done = c.ending.done || err == nil
	return c.ending.done
}

// seal gives nil for what cannot be told.
func (c *claim) seal(up Upload) []byte {
	up.Repository = c.at.Repository
	sealed, err := c.provider.seal(points, up)
	if err != nil {
		return nil
	}
	return sealed
}
