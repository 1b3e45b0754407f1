package events

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// deliverDirectly delivers from the journal, until Redis answers or ctx ends. It gives what endpoints took meanwhile.
func (e *Events) deliverDirectly(ctx context.Context, w *watch) []receipt {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := newDirect(e)
	d.walk = w.walk
	var lanes sync.WaitGroup
	for _, o := range e.outlets {
		l := newLane(o, d.lines[o.Name], e.Registry, &e.times)
		d.lines[o.Name].lane = l
		lanes.Go(func() { l.run(ctx) })
	}
	e.direct.Store(d)
	e.walkDirectly(ctx, w, d)
	e.direct.Store(nil)
	cancel()
	lanes.Wait()
	return d.told
}

// walkDirectly finds what waits. Each time it looks at a page of the journal, and if that is not all, also at what is young, so that much that waits for one
// endpoint does not hide from the others what is new.
func (e *Events) walkDirectly(ctx context.Context, w *watch, d *direct) {
	after, news := "", false // since the walk began
	for ctx.Err() == nil && !e.redis() {
		rest := e.times.directWalk
		if len(e.outlets) == 0 {
			rest = e.times.bareWalk()
		}
		if !d.full() {
			r := d.begin()
			p, err := e.findPage(ctx, w, d, r, after)
			if err == nil && (after != "" || !p.last) {
				e.findYoung(ctx, w, d, r)
			}
			if err == nil { // else the store is away, and whoever waits for it says so
				after, news = p.next, news || p.news
			}
			if p.last {
				e.walked(w, d)
				if !news && d.knowsAll() {
					rest = max(rest, e.times.idleWalk())
				}
				news = false
			}
		}
		e.restDirectly(ctx, rest)
	}
}

// knowsAll says that ordered endpoints do not wait for the next walk.
func (d *direct) knowsAll() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.complete && !d.skipped
}

func (e *Events) walked(w *watch, d *direct) {
	d.walked(w.walk)
	w.walked()
}

// restDirectly waits for the next walk, or until Redis answers.
func (e *Events) restDirectly(ctx context.Context, rest time.Duration) {
	for until := time.Now().Add(rest); time.Now().Before(until); {
		if e.redis() || !sleep(ctx, e.times.directWalk/10) {
			return
		}
	}
}

// found is how far a walk has come.
type found struct {
	next string // where to go on
	last bool   // that was all of the journal
	news bool   // something was to be delivered, or may soon be
}

// findPage looks at a page of the journal. It goes on at the same place if no more is to be found.
func (e *Events) findPage(ctx context.Context, w *watch, d *direct, r *round, after string) (found, error) {
	ids, next, err := e.Registry.Journal(ctx, after, journalPage)
	if err != nil {
		return found{}, err
	}
	f := found{next: next, last: next == ""}
	var unknown []string
	for _, id := range ids {
		if !d.seen(id, w.walk) {
			unknown = append(unknown, id)
		}
	}
	f.news = anyYoung(unknown)
	for few := range slices.Chunk(e.choose(ctx, w, d, r, unknown), ruledAtOnce) {
		if ctx.Err() != nil || d.full() {
			return found{next: after, news: true}, nil
		}
		orders := e.ruleAll(ctx, w, few, nil)
		d.found(orders)
		f.news = f.news || len(orders) > 0
	}
	return f, nil
}

// anyYoung says whether pushes may be under way.
func anyYoung(ids []string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return young(id, time.Minute) })
}

// findYoung looks at the entries of the last minutes, but for those that it would take too long to list.
func (e *Events) findYoung(ctx context.Context, w *watch, d *direct, r *round) {
	first := ulid.ULID{}
	if err := first.SetTime(ulid.Timestamp(time.Now().Add(-5 * time.Minute))); err != nil {
		return
	}
	after := first.String()
	for range 5 {
		f, err := e.findPage(ctx, w, d, r, after)
		if err != nil || f.last || f.next == after {
			return
		}
		after = f.next
	}
}
