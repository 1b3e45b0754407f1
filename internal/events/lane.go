package events

import (
	"context"
	"sync"
	"time"
)

// lane brings letters from one queue to one endpoint. Nothing of it is shared with other endpoints, so that none waits for another. It takes no more
// letters than it can send soon: what waits is in the queue, not in memory.
type lane struct {
	*outlet
	queue    queue
	registry Registry
	times    *times

	wake   chan struct{} // there may be something to do
	acks   chan struct{} // something is to be acknowledged
	flying sync.WaitGroup

	mu      sync.Mutex
	hand    map[*letter]bool // what this node has taken and is not through with
	bytes   int              // of its notes
	ids     map[string]bool  // of hand
	taken   []*letter        // to be acknowledged
	left    []*letter        // not delivered, for others
	stripes map[string][]*letter

	progress map[string]progress // of letters that were put off
	more     bool                // as far as is known, more waits in the queue than was taken
}

func newLane(o *outlet, q queue, registry Registry, t *times) *lane {
	return &lane{
		outlet: o, queue: q, registry: registry, times: t, wake: make(chan struct{}, 1), acks: make(chan struct{}, 1),
		hand: map[*letter]bool{}, ids: map[string]bool{}, stripes: map[string][]*letter{}, progress: map[string]progress{},
	}
}

// run works until ctx ends, then for as long as what is under way takes, within drain. What is not delivered then is left to others.
func (l *lane) run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var helpers sync.WaitGroup
	helping, end := context.WithCancel(work)
	helpers.Go(func() { l.acknowledgeAll(helping) })
	helpers.Go(func() { l.keepAll(helping) })
	defer context.AfterFunc(ctx, func() { time.AfterFunc(l.times.drain, stop) })()

	l.takeAll(ctx, work)
	l.flying.Wait()
	end()
	helpers.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*l.times.budget)
	defer cancel()
	l.acknowledgeNow(last)
	_ = l.queue.release(last, l.unfinished()) // else they are found to be idle, later
}

// takeAll takes letters as there is room for them. What it has of an ordered endpoint is void when another node may send to it: the queue gives it again,
// when and where it is its time.
func (l *lane) takeAll(ctx, work context.Context) {
	ours := newTenure(ctx)
	defer func() { ours.end() }()
	for ctx.Err() == nil {
		room := l.room()
		if room == 0 && !l.Ordered {
			l.rest(ctx)
			continue
		}
		letters, err := l.queue.take(ctx, room)
		if err == errNotOurs || err == errAnew || err == errLapsed {
			ours.end()
			l.flying.Wait()
			l.forgetLeft()
			ours = newTenure(ctx)
		}
		l.start(ours.ctx, work, letters)
		long := weight(letters) >= takenLong
		l.expect(room > 0 && (long || len(letters) > room/3))
		if err != errAnew && !long {
			l.rest(ctx)
		}
	}
}

// tenure is the time for which what was taken may be delivered.
type tenure struct {
	ctx context.Context
	end context.CancelFunc
}

func newTenure(ctx context.Context) tenure {
	ctx, end := context.WithCancel(ctx)
	return tenure{ctx, end}
}

// room is how many letters to take; 0 while there are enough.
func (l *lane) room() int {
	window := l.window()
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := window - len(l.hand); room > window/3 && l.bytes < laneBytes {
		return room
	}
	l.more = true // whoever has woken this lane up knows of something
	return 0
}

func (l *lane) expect(more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more = more
}

// rest waits until there may be something to do, or ctx ends.
func (l *lane) rest(ctx context.Context) {
	timer := time.NewTimer(l.times.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// start has letters delivered: all at once, or for an ordered endpoint those of a repository one after the other.
func (l *lane) start(ctx, work context.Context, letters []*letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parcel []*letter
	size := 0
	flush := func() {
		if full := parcel; len(full) > 0 {
			l.flying.Go(func() { l.deliver(ctx, work, full) })
		}
		parcel, size = nil, 0
	}
	for _, m := range letters {
		if l.ids[m.id] { // an answer was lost, and it was given once more
			continue
		}
		l.hand[m], l.ids[m.id] = true, true
		m.resume(l.progress[m.id])
		l.bytes += m.size
		if l.Ordered {
			l.line(ctx, work, m)
			continue
		}
		if size += len(m.rest); size > l.Batch {
			flush()
			size = len(m.rest)
		}
		parcel = append(parcel, m)
	}
	flush()
}

// line has a letter delivered after those of its repository that are here already. l.mu is held.
func (l *lane) line(ctx, work context.Context, m *letter) {
	name := m.stripe()
	before, running := l.stripes[name]
	l.stripes[name] = append(before, m)
	if running {
		return
	}
	l.flying.Go(func() {
		for next := m; next != nil; next = l.next(name) {
			if ctx.Err() != nil {
				l.letGo(next)
				continue
			}
			l.deliver(ctx, work, []*letter{next})
		}
	})
}

// next gives the letter behind the one that is over; nil if there is none, and then the line is closed.
func (l *lane) next(name string) *letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.stripes[name][1:]
	if len(line) == 0 {
		delete(l.stripes, name)
		return nil
	}
	l.stripes[name] = line
	return line[0]
}
