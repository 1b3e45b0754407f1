package events

import (
	"context"
	"maps"
	"slices"
	"time"
)

// rouse has l look for something to do.
func (l *lane) rouse() { signal(l.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// acknowledge hands a letter over to be acknowledged, and goes on.
func (l *lane) acknowledge(m *letter) {
	l.mu.Lock()
	l.taken = append(l.taken, m)
	delete(l.progress, m.id)
	l.mu.Unlock()
	signal(l.acks)
}

// acknowledgeAll acknowledges what is delivered, many at a time. A letter stays in hand until that is done.
func (l *lane) acknowledgeAll(ctx context.Context) {
	for {
		select {
		case <-l.acks:
		case <-ctx.Done():
			return
		}
		for !l.acknowledgeNow(ctx) {
			if !sleep(ctx, l.times.poll) {
				return
			}
		}
	}
}

func (l *lane) acknowledgeNow(ctx context.Context) bool {
	l.mu.Lock()
	batch := l.taken
	l.taken = nil
	l.mu.Unlock()
	if len(batch) == 0 {
		return true
	}
	if err := l.queue.done(ctx, batch); err != nil {
		l.mu.Lock()
		l.taken = append(batch, l.taken...)
		l.mu.Unlock()
		return false
	}
	l.drop(batch...)
	return true
}

// drop is for letters that this node is through with.
func (l *lane) drop(letters ...*letter) {
	l.mu.Lock()
	for _, m := range letters {
		if l.hand[m] {
			delete(l.hand, m)
			delete(l.ids, m.id)
			l.bytes -= m.size
		}
	}
	more := l.more
	l.mu.Unlock()
	if more {
		l.rouse()
	}
}

// letGo is for a letter that is left to others: it is given back when the node stops. That of an ordered endpoint may be another node's already.
func (l *lane) letGo(m *letter) {
	l.drop(m)
	l.mu.Lock()
	l.left = append(l.left, m)
	l.mu.Unlock()
}

// forgetLeft forgets what was let go.
func (l *lane) forgetLeft() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = nil
}

// unfinished are the letters that were not delivered and that nobody is at.
func (l *lane) unfinished() []*letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

const (
	laneBytes = 8 << 20   // of notes in hand: with more, no more is taken
	takenLong = 512 << 10 // of notes: a queue that gave so much may have ended there, with room left
)

func weight(letters []*letter) (n int) {
	for _, m := range letters {
		n += m.size
	}
	return n
}

// keepAll says, now and then, that what is in hand is worked on.
func (l *lane) keepAll(ctx context.Context) {
	tick := time.NewTicker(l.times.refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			hand := slices.Collect(maps.Keys(l.hand))
			l.mu.Unlock()
			_ = l.queue.keep(ctx, hand) // with the next tick again
		case <-ctx.Done():
			return
		}
	}
}
