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
	for after := ""; ctx.Err() == nil && (e.remote == nil || !e.Conn.Up()); {
		if !d.full() {
			next, err := e.findPage(ctx, w, d, after)
			switch {
			case err != nil: // the store is away, and whoever waits for it says so
			case after == "" && next == "":
				e.walked(w, d)
			default:
				e.findYoung(ctx, w, d)
				if next == "" {
					e.walked(w, d)
				}
			}
			if err == nil {
				after = next
			}
		}
		e.restDirectly(ctx)
	}
}

func (e *Events) walked(w *watch, d *direct) {
	d.walked(w.walk)
	w.walked()
}

// restDirectly waits for the next walk, or until Redis answers.
func (e *Events) restDirectly(ctx context.Context) {
	for until := time.Now().Add(e.times.directWalk); time.Now().Before(until); {
		if e.remote != nil && e.Conn.Up() || !sleep(ctx, e.times.directWalk/10) {
			return
		}
	}
}

// findPage looks at a page of the journal.
func (e *Events) findPage(ctx context.Context, w *watch, d *direct, after string) (next string, err error) {
	ids, next, err := e.Registry.Journal(ctx, after, journalPage)
	if err != nil {
		return "", err
	}
	var unknown []string
	for _, id := range ids {
		if !d.seen(id, w.walk) {
			unknown = append(unknown, id)
		}
	}
	for few := range slices.Chunk(unknown, ruledAtOnce) {
		if ctx.Err() != nil || d.full() {
			return after, nil
		}
		d.found(e.ruleAll(ctx, w, few, nil))
	}
	return next, nil
}

// findYoung looks at the entries of the last minutes, but for those that it would take too long to list.
func (e *Events) findYoung(ctx context.Context, w *watch, d *direct) {
	first := ulid.ULID{}
	if err := first.SetTime(ulid.Timestamp(time.Now().Add(-5 * time.Minute))); err != nil {
		return
	}
	after := first.String()
	for range 5 {
		next, err := e.findPage(ctx, w, d, after)
		if err != nil || next == "" || next == after {
			return
		}
		after = next
	}
}
