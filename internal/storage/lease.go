package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// lease says who does a job that one node at a time should do. It is held by compare-and-swap, and trusts clocks for politeness only: a job must do no
// harm when two nodes are at it.
type lease struct {
	header
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// leasesSeen are the leases that this process found to be held by others: the clock of who held one may have been ahead, by hours, and then it is not known by
// its end whether its holder is alive.
type leasesSeen struct {
	mu   sync.Mutex
	held map[string]leaseSeen
}

type leaseSeen struct {
	nonce string
	since time.Time
}

// stands says whether a lease that is held has not been renewed for longer than it is given for, by the clock here. Its holder renews it three times in that.
func (l *leasesSeen) stands(name, nonce string, now time.Time, ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, ok := l.held[name]
	if !ok || seen.nonce != nonce {
		if l.held == nil {
			l.held = map[string]leaseSeen{}
		}
		l.held[name] = leaseSeen{nonce, now}
		return false
	}
	return now.Sub(seen.since) > ttl
}

// ErrLeaseHeld: another node is at this job.
var ErrLeaseHeld = errors.New("another node is doing this")

// releaseTime is how long giving a lease back may take, also when the node stops.
const releaseTime = 5 * time.Second

// WithLease runs fn while no other node does a job of that name, and renews the lease meanwhile. When the lease is lost, fn's context ends.
func (r *Registry) WithLease(ctx context.Context, name string, ttl time.Duration, fn func(context.Context) error) error {
	key, me := r.keys.lease(name), rand.Text()
	cur, err := load[lease](ctx, r.driver, key)
	if err != nil {
		return err
	}
	if cur.live() && cur.Value.Holder != "" && r.opts.Now().Before(cur.Value.Until) && !r.leases.stands(name, cur.Value.Nonce, r.opts.Now(), ttl) {
		return ErrLeaseHeld
	}
	hold := func(ctx context.Context, cur stored[lease], holder string) (stored[lease], error) {
		next := lease{Holder: holder, Until: r.opts.Now().Add(ttl).UTC()}
		now, err := swap(ctx, r.driver, key, cur, next)
		if errors.Is(err, drivers.ErrPrecondition) && now.live() && now.Value.Holder == me { // an earlier renewal, whose answer was lost
			now, err = swap(ctx, r.driver, key, now, next)
		}
		if errors.Is(err, drivers.ErrPrecondition) {
			err = ErrLeaseHeld
		}
		return now, err
	}
	if cur, err = hold(ctx, cur, me); err != nil {
		return err
	}

	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- fn(work) }()
	renew := time.NewTicker(ttl / 3)
	defer renew.Stop()
	for {
		select {
		case err := <-done:
			release, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
			defer cancel()
			_, _ = hold(release, cur, "") // the next one need not wait
			return err
		case <-renew.C:
			now, err := hold(ctx, cur, me)
			switch {
			case err == nil:
				cur = now
			case errors.Is(err, ErrLeaseHeld):
				cancel(err)
				return errors.Join(fmt.Errorf("the lease of %s was lost: %w", name, err), <-done)
			case r.opts.Now().After(cur.Value.Until):
				cancel(err)
				return errors.Join(fmt.Errorf("the lease of %s could not be renewed: %w", name, err), <-done)
			}
		}
	}
}
