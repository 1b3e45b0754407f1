package events

import (
	"slices"
	"sync"
	"time"
)

// direct is the queue of the relay while there is no Redis. It holds the ids of what waits, and reads what is said there when it is delivered; what was
// told by this node a moment ago is still at hand. What it knows dies with the process: the next relay begins anew, and endpoints get again what they
// had taken of entries that others have yet to take.
type direct struct {
	registry Registry
	figures  *figures
	times    *times

	mu      sync.Mutex
	entries map[string]*tracked
	pairs   int // entries and endpoints that have yet to take them
	lines   map[string]*line
	recent  *recent
	told    []receipt

	walk     int // how many walks have ended, as the watch counts them
	hints    hints
	sighted  map[string]bool // young entries, and those left alone, in this round
	before   map[string]bool // likewise, in the one before
	unknown  bool            // in this round there was what other nodes may hand over
	complete bool            // all that was in the journal before what this node is told of is known
	skipped  bool            // since the last walk: this node was told of an entry that is left to the next one
}

// tracked is an entry that is delivered, or was and is still listed.
type tracked struct {
	left  int // endpoints that have yet to take it
	walk  int // the last that saw it
	ended time.Time
}

// directMost is how many pairs of an entry and an endpoint are held; while there are more, the journal is not walked.
const directMost = 200_000

func newDirect(e *Events) *direct {
	d := &direct{
		registry: e.Registry, figures: e.figures, times: &e.times,
		entries: map[string]*tracked{}, lines: map[string]*line{}, recent: newRecent(),
		hints: hints{orders: map[string]hint{}, objects: map[string]bool{}},
	}
	for _, o := range e.outlets {
		d.lines[o.Name] = &line{direct: d, endpoint: o.Endpoint, opener: newOpener(o, e.Registry, &e.times), attempts: map[string]int{}, hand: map[string]bool{}}
	}
	return d
}

// hear takes over entries that this node was told of. For an ordered endpoint they must not overtake what the journal holds.
func (d *direct) hear(orders []order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offer(slices.DeleteFunc(orders, func(o order) bool {
		early := !d.complete && d.inOrder(o)
		if early {
			d.skipped = true
			d.hint(o)
		}
		return early
	}))
}

// found takes over entries that a walk has found.
func (d *direct) found(orders []order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offer(orders)
}

// offer takes over entries that are known to be visible, if there is room. d.mu is held.
func (d *direct) offer(orders []order) {
	for _, o := range orders {
		names := slices.DeleteFunc(slices.Clone(o.endpoints), func(name string) bool { return d.lines[name] == nil })
		if d.entries[o.id] != nil || d.pairs+len(names) > directMost {
			continue
		}
		d.entries[o.id] = &tracked{left: len(names)}
		d.pairs += len(names)
		d.recent.keep(o.id, o.note)
		for _, name := range names {
			d.lines[name].fresh = append(d.lines[name].fresh, o.id)
			d.figures.queued.WithLabelValues(name).Inc()
		}
	}
	for _, l := range d.lines {
		if l.lane != nil {
			l.lane.rouse()
		}
	}
}

// full says that no more is to be found.
func (d *direct) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pairs+len(d.lines) > directMost
}

// seen says whether an entry is known. One that should be gone by now is settled again: it may have been forgotten.
func (d *direct) seen(id string, walk int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.entries[id]
	if t == nil {
		return false
	}
	t.walk = walk
	if t.left == 0 && time.Since(t.ended) > 5*d.times.directWalk {
		t.ended = time.Now()
		d.registry.Settle(id)
	}
	return true
}

// walked forgets entries that are over and that the walk did not see.
func (d *direct) walked(walk int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete, d.skipped, d.walk = d.complete || !d.skipped, false, walk+1
	d.outdated(walk)
	for id, t := range d.entries {
		if t.left == 0 && t.walk < walk && time.Since(t.ended) > d.times.directWalk {
			delete(d.entries, id)
		}
	}
}
