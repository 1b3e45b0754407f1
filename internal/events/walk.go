package events

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/storage"
)

// journalPage is how many entries are listed at once.
const journalPage = 1000

// walkForRedis walks the whole journal once, and has each entry queued that Redis does not know of: one whose node died before it was queued, or all, if
// Redis was flushed. It ends early if Redis or the store fail.
func (e *Events) walkForRedis(ctx context.Context, w *watch) {
	pause := e.times.betweenWalks
	if len(e.outlets) == 0 {
		pause = e.times.bareWalk()
	}
	defer func() { sleep(ctx, pause) }()
	for after := ""; ; {
		ids, next, err := e.Registry.Journal(ctx, after, journalPage)
		if err == nil {
			err = w.muster.call(ctx, e.remote)
		}
		if err == nil {
			err = e.queueLost(ctx, w, w.ripe(ids))
		}
		if err != nil {
			w.stuck(ctx, e, err)
			return
		}
		if next == "" {
			break
		}
		after = next
		if !sleep(ctx, e.times.betweenPages) {
			return
		}
	}
	w.walked()
	_, _ = e.remote.run(ctx, sweepScript, append([]any{e.times.idle.Milliseconds()}, w.muster.gone()...)...)
}

// queueLost queues what of these entries is not.
func (e *Events) queueLost(ctx context.Context, w *watch, ids []string) error {
	for page := range slices.Chunk(ids, atOnce) {
		gone := w.muster.gone()
		args := append([]any{len(gone)}, gone...)
		for _, id := range page {
			args = append(args, id)
		}
		states, err := e.remote.run(ctx, checkScript, args...)
		if err != nil {
			w.muster.reset()
			return err
		}
		var unknown []string
		var left []forsaken
		lost := map[string][]string{}
		for i, id := range page {
			state := strings.Fields(text(states, 2*i))
			if endpoints := text(states, 2*i+1); endpoints != "" {
				left = append(left, forsaken{id, endpoints})
			}
			switch {
			case len(state) == 0 || state[0] == "queued":
			case state[0] == "done":
				e.Registry.Settle(id)
			default:
				unknown, lost[id] = append(unknown, id), state[1:]
			}
		}
		for few := range slices.Chunk(unknown, ruledAtOnce) {
			e.enqueue(ctx, e.ruleAll(ctx, w, few, lost))
		}
		e.forsake(ctx, w, left)
	}
	return ctx.Err()
}

// stuckEvery is how often a walk that fails again and again says so.
const stuckEvery = time.Minute

// stuck says why nothing that waits is looked after, where Redis answers and nobody else would say it: what stands in it is not what is expected there.
func (w *watch) stuck(ctx context.Context, e *Events, err error) {
	if ctx.Err() != nil || !e.redis() || time.Since(w.complained) < stuckEvery {
		return
	}
	w.complained = time.Now()
	e.Log.Error("The events that wait cannot be looked after, so some may not be delivered: see what is wrong, and remove keys of another type that stand in their place in Redis.",
		zap.String("keys", "{"+e.Namespace+":events}:*"), zap.Error(err))
}

// ruledAtOnce is how many entries are read before what is to be done with them is: they may be long.
const ruledAtOnce = 50

// ruleAll rules on entries, several at a time, and gives in their order what is to be queued. Their nodes may have died before they told the others, so that is
// done first, for all at once: with a Redis that is away it takes a second, for up to ruledAtOnce entries that nobody has told this node of.
func (e *Events) ruleAll(ctx context.Context, w *watch, ids []string, lost map[string][]string) []order {
	ctx, untold := storage.Gather(ctx)
	ruled := make([]*order, len(ids))
	var group errgroup.Group
	group.SetLimit(8)
	for i, id := range ids {
		group.Go(func() error {
			ruled[i] = e.rule(ctx, w, id, lost[id])
			return nil
		})
	}
	_ = group.Wait()
	if untold.Tell(ctx) != nil {
		return nil // ctx has ended
	}
	var orders []order
	for _, o := range ruled {
		if o != nil {
			orders = append(orders, *o)
		}
	}
	return orders
}

// rule decides on an entry that Redis does not know of, or of which it has lost the messages for some endpoints; nil if nothing is to be queued.
func (e *Events) rule(ctx context.Context, w *watch, id string, lost []string) *order {
	if len(lost) > 0 { // it was found to be visible before
		entry, err := e.Registry.Entry(ctx, id)
		if err != nil || entry == nil {
			return nil
		}
		return &order{id: id, note: entry.Note, endpoints: lost, repair: true}
	}
	if d := e.direct.Load(); d != nil {
		if o := d.hinted(id); o != nil {
			return e.hinted(ctx, w, *o)
		}
	}
	entry, ruling, err := w.look(ctx, id)
	if err != nil {
		if ctx.Err() == nil && w.once(id) {
			e.Log.Warn("An entry of the journal cannot be looked at; it is tried again.", zap.String("entry", id), zap.Error(err))
		}
		return nil
	}
	switch ruling {
	case settle:
		e.Registry.Settle(id)
	case send:
		return e.address(ctx, w, entry)
	}
	return nil
}

// address says who is to hear of an entry that is visible; nil if nothing is to be queued, for now. What is for endpoints of other nodes is queued too, where
// there is a queue that they share.
func (e *Events) address(ctx context.Context, w *watch, entry *storage.Entry) *order {
	events, err := ParseNote(entry.Note)
	if err != nil {
		if w.once(entry.ID) {
			e.Log.Error("An entry of the journal is kept whose events cannot be read: it may be of a later version.", zap.String("entry", entry.ID), zap.Error(err))
		}
		w.later(entry.ID, e.times.rest())
		return nil
	}
	if !e.keptForDisabled(ctx, w, entry, events) {
		return nil
	}
	names, foreign := e.addressed(entry.Endpoints, events)
	switch {
	case len(foreign) == 0:
	case e.direct.Load() == nil:
		names = append(names, foreign...)
	case !e.nobodyElse(ctx, w, entry, foreign):
		w.later(entry.ID, e.times.rest())
		return nil
	}
	return e.wanted(order{id: entry.ID, note: entry.Note, endpoints: names})
}

// hinted says who is to hear of an entry that another node has handed over.
func (e *Events) hinted(ctx context.Context, w *watch, o order) *order {
	if len(e.disabled) > 0 && e.fromBefore(o.id) {
		events, err := ParseNote(o.note)
		if err != nil || !e.keptForDisabled(ctx, w, &storage.Entry{ID: o.id, Note: o.note}, events) {
			return nil // the next walk reads it
		}
	}
	return e.wanted(o)
}

// wanted settles an entry that nobody is to hear of.
func (e *Events) wanted(o order) *order {
	if len(o.endpoints) == 0 {
		e.Registry.Settle(o.id)
		return nil
	}
	return &o
}
