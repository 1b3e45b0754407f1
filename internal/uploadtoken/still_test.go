//go:build stores

package uploadtoken

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/teststore"
)

// A client that vanished without a word does not keep its upload from itself: its request waits, and has no say any more.
func TestStillHolderIsTakenOver(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	const still, stale = 8 * time.Second, 6 * time.Second // who does not wait for the first of them is noticed, and who is held up for a while is not dead
	a.times.stillFor, b.times.staleAfter = still, stale
	up := begun(0, 0)
	first := a.claims(t, up)
	first.Reached(up.at(1, 64))
	eventually(t, "the point is told", func() bool {
		got, err := b.Open(t.Context(), up.Repository, b.token(t, up))
		return err == nil && got.same(up.at(1, 64))
	})
	begun := time.Now()
	first.Waiting(true)
	var second Claim
	eventually(t, "it is taken over", func() (taken bool) {
		c, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false)
		if err == nil {
			second = c
			t.Cleanup(func() { c.Release(context.Background(), up, false) })
		}
		return err == nil
	})
	if took := time.Since(begun); took < still {
		t.Errorf("it was taken over after %s", took)
	}
	if n := second.Newest(); !n.same(up.at(1, 64)) || !n.Abandoned {
		t.Errorf("newest is %+v", n)
	}
	eventually(t, "the first one is told, though it waits", isLost(first))
	if first.Waiting(false); first.Held(t.Context()) || !second.Held(t.Context()) {
		t.Error("the second one does not have it")
	}
}

// Whoever moves now and then keeps the claim, and so does one whose client waits for the store.
func TestSlowHolderIsNotTakenOver(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string]func(c Claim, up Upload){
		"bytes come":        func(c Claim, _ Upload) { c.Waiting(false); c.Waiting(true) },
		"the store is slow": func(c Claim, _ Upload) { c.Waiting(false) },
		"a point is there":  func(c Claim, up Upload) { c.Reached(up.at(1, 65)) },
		"it is asked about": func(c Claim, _ Upload) { c.Held(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			a.times.stillFor = time.Hour
			up := begun(0, 0)
			held := a.claims(t, up)
			held.Reached(up.at(1, 64))
			held.Waiting(true)
			c := held.(*claim)
			c.still.Store(c.now() - int64(2*time.Hour)) // since then
			if !c.isStill() {
				t.Fatal("it does not stand still")
			}
			moved := time.Now()
			moves(held, up)
			if c.isStill() {
				t.Error("it stands still, though it moved")
			}
			eventually(t, "it is renewed", func() bool { return c.renewedAt().After(moved) })
			if got, err := b.Open(t.Context(), up.Repository, b.token(t, up)); err != nil || got.Abandoned || isLost(held)() {
				t.Errorf("it is given up: %+v, %v", got, err)
			}
		})
	}
}

// A client that comes back before anybody else does goes on with what it has.
func TestStillHolderWakesUp(t *testing.T) {
	t.Parallel()
	all := nodes(t, teststore.Redis(t), 3)
	a, b, hasty := all[0], all[1], all[2]
	a.times.stillFor, hasty.times.staleAfter = time.Second, usualTimes.staleAfter
	up := begun(0, 0)
	held := a.claims(t, up)
	held.Reached(up.at(1, 64))
	eventually(t, "the point is told", func() bool {
		got, err := b.Open(t.Context(), up.Repository, b.token(t, up))
		return err == nil && got.same(up.at(1, 64))
	})
	held.Waiting(true)
	eventually(t, "it is given up", func() bool {
		got, err := hasty.Open(t.Context(), up.Repository, hasty.token(t, up))
		return err == nil && got.Abandoned
	})
	woken := time.Now()
	held.Waiting(false)
	eventually(t, "it is renewed", func() bool { return held.(*claim).renewedAt().After(woken) })
	if _, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false); err != ErrBusy {
		t.Errorf("Claim gives %v", err)
	}
}

// renewedAt is when Redis last said that the claim is renewed.
func (c *claim) renewedAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewed
}

// A Redis that hung goes on with what it was sent. A claim that comes to stand so when its request is over is gone at once.
func TestLateClaimIsReleased(t *testing.T) {
	t.Parallel()
	all, up := nodes(t, teststore.Redis(t), 2), begun(0, 0)
	a, b := all[0], all[1]
	a.times.renewEvery = time.Hour
	var late func()
	var calls atomic.Int32
	arrived := make(chan struct{}) // closed when what is late was done
	a.Redis.conn = fate(func(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
		switch calls.Add(1) {
		case 1: // the claim
			late = func() { _ = b.Do(context.WithoutCancel(ctx), budget, fn) }
			return redisconn.ErrAway
		case 3: // behind the release: what the claim is ended with that came late
			<-arrived
		}
		return a.Do(ctx, budget, fn)
	})
	c, err := a.Claim(t.Context(), up.Repository, a.token(t, up), false)
	if err != nil {
		t.Fatal(err)
	}
	c.Release(t.Context(), up.at(0, 10), false)
	b.opens(t, up, up.at(0, 10), true, false)
	late()
	close(arrived)
	promptly(t, "the next claim", func() {
		eventually(t, "the upload is free", func() bool {
			c, err := b.Claim(t.Context(), up.Repository, b.token(t, up.at(0, 10)), false)
			if err == nil {
				c.Release(t.Context(), up.at(0, 20), false)
			}
			return err == nil
		})
	})
	<-c.(*claim).kept
	b.opens(t, up, up.at(0, 20), true, false)
}

// fate is a conn of a test's.
type fate func(context.Context, time.Duration, func(context.Context, redis.UniversalClient) error) error

func (f fate) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	return f(ctx, budget, fn)
}

// What became a replica is not asked any more where uploads stand, though the connections to it are open.
func TestReplicaIsNotAsked(t *testing.T) {
	t.Parallel()
	p, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	n, up := nodes(t, p.Addr, 1)[0], begun(0, 0)
	n.claims(t, up).Release(t.Context(), up.at(0, 10), false)
	n.opens(t, up, up.at(0, 10), true, false)
	if err := n.client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	n.opens(t, up, up, false, false)
}
