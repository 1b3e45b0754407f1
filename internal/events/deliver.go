package events

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// deliver sends what is left of some letters, and sees to what has come of each: taken, given up, put off, or left to others since the node stops or the
// letters are not this node's any more (ctx has ended). What was not in the request that failed goes out again.
func (l *lane) deliver(ctx, work context.Context, parcel []*letter) {
	for len(parcel) > 0 {
		tried, err := l.send(ctx, work, parcel)
		var failure *Error
		failed := errors.As(err, &failure)
		var again []*letter
		for _, m := range parcel {
			n := min(tried, len(m.rest))
			tried -= n
			switch {
			case len(m.rest) == 0:
				l.over(ctx, work, m)
			case failed && (n == 0 || l.failed(ctx, work, m, failure)):
				again = append(again, m)
			case failed: // it is put off, or given up
			case ctx.Err() != nil || work.Err() != nil:
				l.letGo(m)
			default: // a mistake of ours, with which trying again does not help
				m.giveUp(err)
				l.over(ctx, work, m)
			}
		}
		parcel = again
	}
}

// send goes through the events that are left, in as few requests as the endpoint takes, and ends with the first that fails: of so many, the first that are
// left. A refusal of several is found out about one by one; that of a single one is noted in its letter, and is no failure.
func (l *lane) send(ctx, work context.Context, parcel []*letter) (tried int, err error) {
	alone := 0 // events to be sent one by one
	for {
		most := l.Batch
		if alone > 0 {
			most = 1
		}
		events := head(parcel, most)
		if len(events) == 0 {
			return 0, nil
		}
		err := l.post(ctx, work, events)
		var failure *Error
		switch {
		case err == nil:
			l.strike(parcel, len(events))
		case errors.As(err, &failure) && failure.Verdict == Permanent && len(events) > 1:
			alone = len(events)
			continue
		case errors.As(err, &failure) && failure.Verdict == Permanent:
			refuse(parcel, err)
		default:
			return len(events), err
		}
		alone = max(alone-len(events), 0)
	}
}

// head gives the first events of a parcel that are left.
func head(parcel []*letter, most int) []Event {
	var events []Event
	for _, m := range parcel {
		events = append(events, m.rest[:min(len(m.rest), most-len(events))]...)
	}
	return events
}

// strike takes the first n events off: they are delivered.
func (l *lane) strike(parcel []*letter, n int) {
	for _, m := range parcel {
		k := min(n, len(m.rest))
		m.done += k
		if m.rest, n = m.rest[k:], n-k; k > 0 {
			l.figures.took(l.Endpoint, m, k)
		}
	}
}

// refuse takes the first event off: it is refused.
func refuse(parcel []*letter, why error) {
	for _, m := range parcel {
		if len(m.rest) > 0 {
			m.skipped = append(m.skipped, m.done)
			m.refused, m.rest, m.reason = append(m.refused, m.rest[0]), m.rest[1:], why.Error()
			m.done++
			return
		}
	}
}

// failed puts a letter off, or gives it up. That of an ordered endpoint is kept, and those of its repository wait behind it: true if it is its time again.
// An attempt that has brought some of its events counts as none, and the next one begins behind them: else those of a push of many tags would hardly ever all
// get to an endpoint that fails now and then, or that takes so many in a while and no more.
func (l *lane) failed(ctx, work context.Context, m *letter, failure *Error) (again bool) {
	further, attempt := m.further(), 1
	if !further {
		m.attempts++
		attempt = m.attempts
	}
	if m.best || !further && m.attempts >= l.MaxAttempts {
		m.giveUp(failure)
		l.over(ctx, work, m)
		return false
	}
	l.figures.retried.WithLabelValues(l.Name).Add(float64(len(m.rest)))
	wait := l.Delay(attempt, failure.RetryAfter)
	if !l.Ordered {
		l.remember(m)
		l.drop(m)                                  // before it may be taken anew
		_ = l.queue.later(work, m, wait, !further) // if it fails, the attempt does not count, and others find the message
		return false
	}
	if !further {
		_ = l.queue.tried(work, m)
	}
	if !sleep(ctx, wait) {
		l.letGo(m)
		return false
	}
	return true
}

// over ends a letter: what was refused of it goes among the dead first, then it is acknowledged.
func (l *lane) over(ctx, work context.Context, m *letter) {
	for m.reason != "" && !m.best {
		err := l.bury(work, m)
		if err == nil {
			break
		}
		l.warn("Events that were given up on cannot be kept yet; it is tried again.", m.id, zap.Error(err))
		if !sleep(ctx, 10*l.times.poll) {
			l.letGo(m)
			return
		}
	}
	if n := float64(len(m.refused)); m.best {
		l.figures.dropped.WithLabelValues(l.Name).Add(n)
	} else {
		l.figures.dead.WithLabelValues(l.Name).Add(max(n, float64(min(len(m.broken), 1))))
	}
	l.acknowledge(m)
}

func (l *lane) bury(ctx context.Context, m *letter) error {
	note, err := Note(m.refused...)
	if m.broken != nil {
		note = m.broken
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, buryTime)
	defer cancel()
	err = l.registry.PutDead(ctx, l.Name, storage.DeadEvent{ID: m.id, Time: time.Now().UTC(), Reason: m.reason, Note: note})
	if err == nil {
		l.warn("Events were given up on: correct the endpoint, then replay them.", m.id, zap.String("reason", m.reason))
	}
	return err
}

// buryTime bounds the write of a dead event.
const buryTime = 30 * time.Second
