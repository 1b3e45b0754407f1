package s3

import (
	"context"
	"slices"
	"sync"

	"github.com/registryd/registryd/internal/drivers"
)

// inFlight is how many parts of one upload are on their way at once. One more may wait for them.
const inFlight = 4

// pipeline uploads parts side by side and puts them together in order. No part is begun that would lead further than SaveInterval behind the last
// session that was saved: what a node has sent and cannot be found again is never more than that.
type pipeline struct {
	a      *appender
	cancel context.CancelFunc
	saved  func(drivers.Session) error
	watch  drivers.Watcher // may be nil

	mu       sync.Mutex
	moved    *sync.Cond
	queue    []*item // in order; the first ones are on their way
	running  int
	err      error
	parts    []part   // durable, in order
	obsolete []string // tails that these made obsolete
	durable  int64    // where the last of them ends
	mark     []byte   // at durable
	last     drivers.Session
	handed   int // calls of saved
}

// item is a part on its way.
type item struct {
	number  int
	end     int64 // of its bytes in the upload
	size    int64
	mark    []byte
	dropped []string
	body    *body

	begun, done bool
	etag        string
}

func newPipeline(a *appender, cancel context.CancelFunc, saved func(drivers.Session) error) *pipeline {
	p := &pipeline{
		a: a, cancel: cancel, saved: saved, last: a.from,
		parts: slices.Clone(a.state.Parts), obsolete: slices.Clone(a.state.Obsolete), durable: a.from.Offset, mark: a.from.Mark,
	}
	p.watch, _ = a.src.(drivers.Watcher)
	p.moved = sync.NewCond(&p.mu)
	return p
}

// add takes a part over, as soon as there is room for it.
func (p *pipeline) add(it *item) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > inFlight && p.err == nil {
		p.moved.Wait()
	}
	p.queue = append(p.queue, it)
	p.pump()
	return p.err
}

// wait ends when all parts are durable.
func (p *pipeline) wait() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 && p.err == nil {
		p.moved.Wait()
	}
	return p.err
}

// stop ends all that is under way, and gives the last session that was saved, with the first error there was.
func (p *pipeline) stop(err error) (drivers.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.cancel() // not before: parts that fail because of it have nothing to say
	for p.running > 0 {
		p.moved.Wait()
	}
	for _, it := range p.queue {
		if !it.begun {
			p.a.memory.give(it.body.blocks)
		}
	}
	p.queue = nil
	return p.last, p.err
}

// pump does what can be done: take durable parts off the front, save when that is due, begin the next ones. It is called with the lock held.
func (p *pipeline) pump() {
	defer p.moved.Broadcast()
	for p.err == nil {
		before := len(p.queue)
		for len(p.queue) > 0 && p.queue[0].done {
			p.harvest(p.queue[0])
			p.queue = p.queue[1:]
		}
		if p.watch != nil && len(p.queue) < before {
			p.watch.Reached(p.session(p.durable, p.mark, tail{}, nil))
		}
		next := slices.IndexFunc(p.queue, func(it *item) bool { return !it.begun })
		if next < 0 || p.running == inFlight {
			return
		}
		if it := p.queue[next]; p.within(it) || next == 0 && p.durable == p.last.Offset {
			p.begin(it)
			continue
		}
		if next > 0 {
			return // those before it come first
		}
		p.save()
	}
}

// within says whether a part leads no further than may be lost.
func (p *pipeline) within(it *item) bool {
	return p.saved == nil || it.end <= p.last.Offset+drivers.SaveInterval
}

func (p *pipeline) harvest(it *item) {
	p.parts = append(p.parts, part{Number: it.number, Size: it.size, ETag: it.etag})
	p.obsolete = append(p.obsolete, it.dropped...)
	p.durable, p.mark = it.end, it.mark
}

func (p *pipeline) save() {
	s := p.session(p.durable, p.mark, tail{}, nil)
	p.handed++
	if p.err = p.saved(s); p.err != nil {
		p.cancel()
		return
	}
	p.last = s
}

// session is the upload as far as parts and a tail go.
func (p *pipeline) session(off int64, mark []byte, t tail, dropped []string) drivers.Session {
	st := state{Upload: p.a.state.Upload, Token: p.a.state.Token, Parts: p.parts, Tail: t, Obsolete: append(slices.Clone(p.obsolete), dropped...)}
	return drivers.Session{Key: p.a.key, Offset: off, Mark: mark, State: st.encode(p.a.key)}
}

// begin uploads a part in a goroutine of its own.
func (p *pipeline) begin(it *item) {
	it.begun = true
	p.running++
	go func() {
		etag, err := p.a.uploadPart(p.a.ctx, p.a.key, p.a.state.Upload, it.number, it.body)
		it.body.release()
		p.a.memory.give(it.body.blocks)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running--
		it.etag, it.done = etag, err == nil
		if err != nil && p.err == nil {
			p.err = err
			p.cancel()
		}
		p.pump()
	}()
}
