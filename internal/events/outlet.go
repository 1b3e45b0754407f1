package events

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// outlet is the way to one endpoint, whatever queue the letters are from: with Redis and without, it has the same limit and the same pauses.
type outlet struct {
	*Endpoint
	sender   *Sender
	slots    chan struct{} // one for each request under way
	figures  *figures
	log      *zap.Logger
	failures atomic.Int32 // in a row
	lastWord atomic.Int64 // when something was said of what is refused, in Unix seconds
}

func newOutlet(e *Endpoint, f *figures, log *zap.Logger) *outlet {
	return &outlet{
		Endpoint: e, sender: NewSender(e), slots: make(chan struct{}, e.Concurrency), figures: f, log: log.With(zap.String("endpoint", e.Name)),
	}
}

// troubled says that the endpoint takes nothing, as far as is known: then a node has as little as it needs to find out.
func (o *outlet) troubled() bool { return o.failures.Load() >= 3 || o.sender.Paused() > 0 }

// window is how many letters a node has at once: so many that no request waits for a letter, so few that they need little memory.
func (o *outlet) window() int {
	switch {
	case o.Ordered: // most of them may have to wait for another one of their repository; and no other node could have them
		return 512
	case o.troubled():
		return 1
	}
	return min(2*o.Concurrency*max(o.Batch, 2), 2048)
}

// post makes one attempt, as soon as the endpoint is not paused and has a request to spare. While it waits it heeds waiting, afterwards work.
func (o *outlet) post(waiting, work context.Context, events []Event) error {
	for {
		if !sleep(waiting, o.sender.Paused()) {
			return waiting.Err()
		}
		select {
		case o.slots <- struct{}{}:
		case <-waiting.Done():
			return waiting.Err()
		}
		err := o.sender.Send(work, events...)
		<-o.slots
		var failure *Error
		if !errors.As(err, &failure) || failure.Verdict != Paused {
			o.note(err, failure)
			return err
		}
		if !sleep(waiting, failure.RetryAfter) {
			return waiting.Err()
		}
	}
}

// note logs when an endpoint stops taking events, and when it takes them again.
func (o *outlet) note(err error, failure *Error) {
	switch {
	case failure != nil && failure.Verdict == Retry:
		if o.failures.Add(1) == 3 {
			o.log.Warn("An endpoint takes no events; they wait and are tried again.", zap.Error(err))
		}
	case err == nil || failure != nil: // a refusal is an answer too
		if o.failures.Swap(0) >= 3 {
			o.log.Info("An endpoint takes events again.")
		}
	}
}

// warn says what is wrong with an entry, at most once a minute: what is wrong with one is likely to be wrong with many.
func (o *outlet) warn(what, entry string, why zap.Field) {
	last, now := o.lastWord.Load(), time.Now().Unix()
	if now-last >= 60 && o.lastWord.CompareAndSwap(last, now) {
		o.log.Warn(what, zap.String("entry", entry), why)
	}
}

// sleep waits, and says false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
