package events

import (
	"context"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

const (
	intakeLength = 8192     // entries and events that wait to be queued
	intakeBytes  = 16 << 20 // of their notes
)

// arrival is something to be queued: an entry of the journal, or an event of best effort.
type arrival struct {
	id     string
	note   []byte
	replay []string
	event  *Event
}

// Committed takes an entry over, if there is room; else the relay finds it.
func (e *Events) Committed(entry storage.Entry) {
	e.arrives(arrival{id: entry.ID, note: entry.Note, replay: entry.Endpoints})
}

// Happened takes over events that no journal holds: pulls, mounts, blobs. They are best effort: they go through Redis alone, to each endpoint once, and are
// dropped, and counted, where Redis is away or too much waits. It never blocks.
func (e *Events) Happened(events ...Event) {
	for i := range events {
		names := e.wanting(events[i : i+1])
		if len(names) == 0 {
			continue
		}
		if e.remote == nil || !e.arrives(arrival{id: events[i].ID, event: &events[i]}) {
			e.lost(names)
		}
	}
}

func (e *Events) lost(endpoints []string) {
	for _, name := range endpoints {
		e.figures.dropped.WithLabelValues(name).Inc()
	}
}

func (e *Events) arrives(a arrival) bool {
	if e.size.Add(int64(len(a.note))) > intakeBytes {
		e.size.Add(-int64(len(a.note)))
		return false
	}
	select {
	case e.intake <- a:
		return true
	default:
		e.size.Add(-int64(len(a.note)))
		return false
	}
}

// receive queues what arrives until ctx ends, and then what has arrived.
func (e *Events) receive(ctx context.Context) {
	for {
		select {
		case a := <-e.intake:
			e.place(ctx, e.gather(a))
			continue
		case <-ctx.Done():
		}
		break
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.times.drain)
	defer cancel()
	for last.Err() == nil {
		select {
		case a := <-e.intake:
			e.place(last, e.gather(a))
		default:
			return
		}
	}
}

// gather adds to a what else is there already.
func (e *Events) gather(a arrival) []arrival {
	all := []arrival{a}
	for len(all) < atOnce {
		e.size.Add(-int64(len(all[len(all)-1].note)))
		select {
		case a := <-e.intake:
			all = append(all, a)
			continue
		default:
		}
		return all
	}
	e.size.Add(-int64(len(all[len(all)-1].note)))
	return all
}

// place puts arrivals where they are delivered from. What cannot be placed is found by the relay, unless it is best effort.
func (e *Events) place(ctx context.Context, all []arrival) {
	var orders []order
	var told []Event
	for _, a := range all {
		if a.event != nil {
			told = append(told, *a.event)
			continue
		}
		events, err := ParseNote(a.note)
		if err != nil {
			continue // the relay says so
		}
		switch names, foreign := e.addressed(a.replay, events); {
		case len(foreign) > 0: // the relay sees to it
		case len(names) == 0:
			e.Registry.Settle(a.id)
		default:
			orders = append(orders, order{id: a.id, note: a.note, endpoints: names})
		}
	}
	if d := e.direct.Load(); d != nil {
		d.hear(orders)
	} else if e.remote != nil && e.Conn.Up() {
		e.enqueue(ctx, orders)
	} else {
		e.handover.add(orders) // replays are never told of, so these are for whoever wants them
	}
	e.tell(ctx, told)
}

// enqueue queues entries in Redis, and has the lanes of this node look. It tries twice, since the relay would be much later.
func (e *Events) enqueue(ctx context.Context, orders []order) {
	if len(orders) == 0 {
		return
	}
	news, err := e.remote.enqueue(ctx, orders)
	if err != nil && sleep(ctx, 50*time.Millisecond) {
		news, _ = e.remote.enqueue(ctx, orders)
	}
	for i, isNew := range news {
		for _, name := range orders[i].endpoints {
			if isNew {
				e.figures.queued.WithLabelValues(name).Inc()
			}
		}
	}
	for _, l := range e.lanes {
		l.rouse()
	}
}

// tell queues events of best effort.
func (e *Events) tell(ctx context.Context, events []Event) {
	var groups [][]any
	for i := range events {
		note, err := Note(events[i])
		if err != nil {
			continue
		}
		var group []any
		for _, name := range e.wanting(events[i : i+1]) {
			group = append(group, name, events[i].ID, note)
		}
		groups = append(groups, group)
	}
	if len(groups) == 0 {
		return
	}
	if !e.Conn.Up() || e.tellAll(ctx, groups) != nil {
		for i := range events {
			e.lost(e.wanting(events[i : i+1]))
		}
	}
}

func (e *Events) tellAll(ctx context.Context, groups [][]any) error {
	_, err := e.remote.parcelled(ctx, tellScript, groups)
	for _, l := range e.lanes {
		l.rouse()
	}
	return err
}
