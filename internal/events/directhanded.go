package events

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/storage"
)

const (
	handedPage   = 1000
	handedAtOnce = 8               // objects that are read at the same time
	handedLife   = 5 * time.Minute // what is older is not read: the walk has found its entries, or Redis was there meanwhile
	hintBytes    = 8 << 20         // of notes: with more, no more is read
)

// hints are what a relay knows of entries that it has yet to meet in the journal: other nodes have handed them over, or this one was told of them. d.mu guards
// them.
type hints struct {
	orders  map[string]hint
	size    int             // bytes of their notes
	objects map[string]bool // that were taken over and may still be listed
}

type hint struct {
	order
	walk int // in which it came
}

// hint remembers an entry until the walk meets it. d.mu is held.
func (d *direct) hint(o order) {
	if _, known := d.hints.orders[o.id]; known || d.entries[o.id] != nil || d.hints.size+len(o.note) > hintBytes {
		return
	}
	d.hints.orders[o.id] = hint{o, d.walk}
	d.hints.size += len(o.note)
}

// hinted gives what is known of an entry, and forgets it; nil if nothing is.
func (d *direct) hinted(id string) *order {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.hints.orders[id]
	if !ok {
		return nil
	}
	d.unhint(id)
	return &h.order
}

func (d *direct) unhint(id string) {
	d.hints.size -= len(d.hints.orders[id].note)
	delete(d.hints.orders, id)
}

// takeHanded takes over what other nodes have handed to this one. It makes entries known and delivers none: that is for the walk, which meets those that are
// in the journal, and no others.
func (e *Events) takeHanded(ctx context.Context, w *watch, d *direct) {
	ids, _, err := e.Registry.HandedOver(ctx, "", handedPage)
	if err != nil {
		return // the walk finds the entries, or fails as well
	}
	for few := range slices.Chunk(d.untaken(ids), handedAtOnce) {
		if ctx.Err() != nil || d.knowsEnough() {
			return
		}
		var group errgroup.Group
		for _, id := range few {
			group.Go(func() error {
				e.takeObject(ctx, w, d, id)
				return nil
			})
		}
		_ = group.Wait()
	}
}

// takeObject takes over what is handed over at once, and has it removed, also if it is of no use.
func (e *Events) takeObject(ctx context.Context, w *watch, d *direct, id string) {
	var all []storage.Handed
	if young(id, handedLife) {
		var err error
		all, err = e.Registry.ReadHanded(ctx, id)
		if err != nil && !errors.Is(err, storage.ErrHanded) {
			return // the store is away; it is listed again
		}
		if err != nil && w.once("handed "+id) {
			e.Log.Warn("What another node has handed over is removed unread; its entries are found in the journal.", zap.String("handed", id), zap.Error(err))
		}
	}
	for _, h := range all {
		events, err := ParseNote(h.Note)
		if err != nil {
			continue // the walk says so
		}
		d.mu.Lock()
		d.hint(order{id: h.ID, note: h.Note, endpoints: e.wanting(events)})
		d.mu.Unlock()
	}
	d.mu.Lock()
	d.hints.objects[id] = true
	d.mu.Unlock()
	e.Registry.DropHanded(id)
}

// untaken are those of the objects that are listed that were not taken over before. It forgets those that are gone.
func (d *direct) untaken(ids []string) (fresh []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	still := map[string]bool{}
	for _, id := range ids {
		if d.hints.objects[id] {
			still[id] = true
		} else {
			fresh = append(fresh, id)
		}
	}
	d.hints.objects = still
	return fresh
}

func (d *direct) knowsEnough() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hints.size >= hintBytes
}

// outdated forgets hints that a whole walk has not met: what they tell of is over. d.mu is held.
func (d *direct) outdated(walk int) {
	for id, h := range d.hints.orders {
		if h.walk < walk {
			d.unhint(id)
		}
	}
}
