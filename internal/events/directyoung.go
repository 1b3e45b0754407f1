package events

import (
	"context"
	"slices"
	"time"
)

// round is one look at the journal, at a page of it and at what is young.
type round struct {
	asked bool   // whether it was looked for what is handed over
	again bool   // whether there is reason to do so though nothing is unknown: in the round before something was, which may have been handed over late
	gap   string // the first entry that was left to the next round; empty while none was
}

// begin begins a round.
func (d *direct) begin() *round {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before, d.sighted = d.sighted, map[string]bool{}
	r := &round{again: d.unknown}
	d.unknown = false
	return r
}

// choose gives those of the unknown entries that are to be ruled on now. It leaves alone, once, what is so young that its node may be about to hand it over,
// or to tell of it: that spares reading it. What is for an ordered endpoint does not overtake what was left alone, so that it comes in the order of the
// journal as it would have. By its id an entry may be young for long, where clocks differ, but it is not left alone twice. The first walk leaves nothing
// alone: what this node is told of next must not overtake what it was told of before it was the relay.
func (e *Events) choose(ctx context.Context, w *watch, d *direct, r *round, unknown []string) (chosen []string) {
	recent := slices.ContainsFunc(unknown, func(id string) bool { return young(id, handedLife) })
	if !r.asked && (recent || r.again) {
		r.asked = true
		e.takeHanded(ctx, w, d)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unknown = d.unknown || recent
	for _, id := range unknown {
		h, hinted := d.hints.orders[id]
		fresh := young(id, e.times.handed())
		overtakes := r.gap != "" && id > r.gap
		leave := fresh || overtakes
		if hinted {
			leave = overtakes && d.inOrder(h.order)
		}
		leave = leave && d.complete && !d.before[id]
		if fresh || leave {
			d.sighted[id] = true
		}
		switch {
		case !leave:
			chosen = append(chosen, id)
		case r.gap == "" || id < r.gap:
			r.gap = id
		}
	}
	return chosen
}

// inOrder says whether an ordered endpoint is to hear of an entry.
func (d *direct) inOrder(o order) bool {
	return slices.ContainsFunc(o.endpoints, func(name string) bool { return d.lines[name] != nil && d.lines[name].endpoint.Ordered })
}

// young says whether an entry, or what was handed over, is younger than that, by its id.
func young(id string, than time.Duration) bool {
	at, ok := idTime(id)
	return ok && time.Since(at) < than
}
