//go:build stores

package uploadtoken

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
)

// ahead makes the claim of an upload one that was renewed by a clock an hour ahead of Redis', as after another Redis with another clock has taken over.
func (n *node) ahead(t *testing.T, up Upload) {
	t.Helper()
	now, err := n.client.Time(t.Context()).Result()
	if err == nil {
		err = n.client.HSet(t.Context(), n.opts.Namespace+":upload:"+up.ID, "beat", now.Add(time.Hour).UnixMilli()).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A dead request does not keep its upload because the clock of Redis went back. Whoever asks for the status meanwhile is sent to the store.
func TestClockWentBackOnTheDead(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.times.renewEvery = time.Hour
	b.times = usualTimes
	up := begun(0, 0)
	first := a.claims(t, up).(*claim)
	first.Reached(up.at(1, 64))
	eventually(t, "the point is told", func() bool {
		got, _ := b.Open(t.Context(), up.Repository, b.token(t, up))
		return got.same(up.at(1, 64))
	})
	a.cut.Store(true)
	b.ahead(t, up)
	b.opens(t, up, up.at(1, 64), false, true)
	second := b.claims(t, up)
	if n := second.Newest(); !n.same(up.at(1, 64)) || !n.Abandoned {
		t.Errorf("newest is %+v", n)
	}
	a.cut.Store(false)
	if first.renew(t.Context()) || !second.Held(t.Context()) {
		t.Error("the second one does not have it")
	}
}

// One that is alive sets the time right by its next renewal, and is not taken over.
func TestClockWentBackOnTheLiving(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 0)
	first := a.claims(t, up)
	b.ahead(t, up)
	if _, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false); err != ErrBusy {
		t.Errorf("Claim gives %v", err)
	}
	if !first.Held(t.Context()) || isLost(first)() {
		t.Error("it is lost")
	}
}

// What a claim is released with when nobody knows whether the store has more is forgotten, and the next status asks there.
func TestReleaseUnsure(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 0)
	a.claims(t, up).Release(t.Context(), up.at(1, 64), false)
	b.opens(t, up, up.at(1, 64), true, false)
	unsure := up
	unsure.Abandoned = true
	b.claims(t, up).Release(t.Context(), unsure, false)
	a.opens(t, up, up, false, false)
	further := up.at(2, 70)
	further.Abandoned = true
	b.claims(t, up).Release(t.Context(), further, false)
	a.opens(t, up, up, false, false)
}

// A claim whose answer was lost may have been that of a request that died: what was known of the upload before is not taken for the newest.
func TestClaimGivenUnseen(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.times.renewEvery = time.Hour
	up := begun(0, 0)
	a.claims(t, up).Reached(up.at(1, 64))
	eventually(t, "the point is told", func() bool {
		got, _ := b.Open(t.Context(), up.Repository, b.token(t, up))
		return got.same(up.at(1, 64))
	})
	var calls atomic.Int32
	b.Redis.conn = fate(func(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
		if calls.Add(1) != 2 { // the first finds it busy
			return b.Do(ctx, budget, fn)
		}
		if err := b.client.HSet(ctx, b.opts.Namespace+":upload:"+up.ID, "beat", 0).Err(); err != nil {
			t.Error(err)
		}
		if err := b.Do(ctx, budget, fn); err != nil {
			t.Error(err)
		}
		return redisconn.ErrAway
	})
	c, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false)
	if err != nil {
		t.Fatal(err)
	}
	c.Release(t.Context(), up, false)
	a.opens(t, up, up, false, false)
}
