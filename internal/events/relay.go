package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// relayLease is the name of the lease in the store, by which one node at a time is the relay.
const relayLease = "relay"

// relay sees to it, on one node at a time, that nothing in the journal is forgotten, until ctx ends.
func (e *Events) relay(ctx context.Context) {
	complained, yielded := false, false
	for ctx.Err() == nil {
		if yielded = yielded && !e.redis(); !yielded && e.remote != nil && !e.redis() { // another node may have it
			e.yield(ctx)
			yielded = true
		}
		err := e.Registry.WithLease(ctx, relayLease, e.times.relayLease, func(ctx context.Context) error {
			complained = false
			e.lead(ctx, yielded)
			return nil
		})
		if err != nil && !errors.Is(err, storage.ErrLeaseHeld) && ctx.Err() == nil && !complained {
			complained = true
			e.Log.Warn("The journal cannot be looked after at the moment; it is tried again.", zap.Error(err))
		}
		if e.remote != nil && !e.redis() && !yielded {
			continue // the others are to ask first
		}
		sleep(ctx, e.times.relayRetry*3/4+rand.N(e.times.relayRetry/2))
	}
}

// redis says whether this node has Redis, as far as is known.
func (e *Events) redis() bool { return e.remote != nil && e.Conn.Up() }

// yield leaves the lease to others for a while, unless Redis answers again.
func (e *Events) yield(ctx context.Context) {
	for since := time.Now(); !e.redis() && time.Since(since) < e.times.yield(); {
		if !sleep(ctx, e.times.yield()/20) {
			return
		}
	}
}

// lead is what the relay does: it walks the journal for Redis while there is one, and delivers by itself while there is none. A relay that Redis is away from
// ends first: if it is the only one, another node takes over that need not deliver twice what Redis has. It has yielded then, and does not do so again.
func (e *Events) lead(ctx context.Context, yielded bool) {
	w := newWatch(e.Registry, &e.times, e.Endpoints)
	var told []receipt // what was delivered without Redis, which it does not know
	for ctx.Err() == nil {
		if e.remote == nil {
			e.deliverDirectly(ctx, w)
			return
		}
		if !e.redis() {
			w.muster.reset()
		}
		if e.redis() || !yielded && !e.awayTooLong(ctx) {
			yielded = false
			if len(told) > 0 {
				over, err := e.remote.taken(ctx, told) // else it has some delivered once more
				e.Registry.Settle(over...)
				if err == nil {
					told = nil
				}
			}
			e.walkForRedis(ctx, w)
			continue
		}
		if ctx.Err() != nil || !yielded {
			return
		}
		e.Log.Warn("Redis is away: this node delivers events from the journal, as the only one.")
		told = append(told, e.deliverDirectly(ctx, w)...)
		told = told[max(len(told)-directMost, 0):]
		w.again()
	}
}

// awayTooLong waits until Redis answers, or has not for too long.
func (e *Events) awayTooLong(ctx context.Context) bool {
	for since := time.Now(); !e.Conn.Up(); {
		if time.Since(since) > e.times.away {
			return true
		}
		if !sleep(ctx, e.times.away/20) {
			return false
		}
	}
	return false
}
