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
	complained := false
	for ctx.Err() == nil {
		err := e.Registry.WithLease(ctx, relayLease, e.times.relayLease, func(ctx context.Context) error {
			complained = false
			e.lead(ctx)
			return nil
		})
		if err != nil && !errors.Is(err, storage.ErrLeaseHeld) && ctx.Err() == nil && !complained {
			complained = true
			e.Log.Warn("The journal cannot be looked after at the moment; it is tried again.", zap.Error(err))
		}
		sleep(ctx, e.times.relayRetry*3/4+rand.N(e.times.relayRetry/2))
	}
}

// lead is what the relay does: it walks the journal for Redis while there is one, and delivers by itself while there is none.
func (e *Events) lead(ctx context.Context) {
	w := newWatch(e.Registry, &e.times)
	var told []receipt // what was delivered without Redis, which it does not know
	for ctx.Err() == nil {
		if e.remote == nil {
			e.deliverDirectly(ctx, w)
			return
		}
		if !e.awayTooLong(ctx) {
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
		if ctx.Err() != nil {
			return
		}
		e.Log.Warn("Redis is away: this node delivers events from the journal, as the only one.")
		told = append(told, e.deliverDirectly(ctx, w)...)
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
