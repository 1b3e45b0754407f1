package events

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Status is how events are, as one process sees it.
type Status struct {
	Redis     bool             // whether it is from Redis that the endpoints' figures are; else they are known to the relay alone
	Known     bool             // whether they are known at all
	Endpoints []EndpointStatus // in the order of the configuration

	Journal int       // entries there, under way or not yet delivered to all endpoints
	More    bool      // whether there are more than that: not all are counted
	Oldest  time.Time // of the journal; zero if it is empty
}

// EndpointStatus is how one endpoint is.
type EndpointStatus struct {
	Name    string
	Waiting int64         // entries of the journal that it has yet to take
	Oldest  time.Time     // when the first of them was made; zero if none waits
	Best    int64         // events of best effort that wait for it
	Paused  time.Duration // for how long this node makes no attempt, after failures
}

// statusPages bounds what is counted of the journal.
const statusPages = 10

// Status asks Redis and the store. If the store fails, the error says so and the rest stands. For people, and for figures.
func (e *Events) Status(ctx context.Context) (Status, error) {
	s := e.endpoints(ctx, false)
	after := ""
	for range statusPages {
		ids, next, err := e.Registry.Journal(ctx, after, journalPage)
		if err != nil {
			return s, err
		}
		if after == "" && len(ids) > 0 {
			s.Oldest, _ = idTime(ids[0])
		}
		s.Journal += len(ids)
		if after = next; after == "" {
			return s, nil
		}
	}
	s.More = true
	return s, nil
}

// endpoints counts what waits, at no cost for the store.
func (e *Events) endpoints(ctx context.Context, announce bool) Status {
	s := Status{Endpoints: make([]EndpointStatus, len(e.outlets))}
	args := []any{bit(announce)}
	for i, o := range e.outlets {
		s.Endpoints[i] = EndpointStatus{Name: o.Name, Paused: o.sender.Paused()}
		args = append(args, o.Name)
	}
	if d := e.direct.Load(); d != nil {
		d.count(s.Endpoints)
		s.Known = true
		return s
	}
	if e.remote == nil || !e.Conn.Up() {
		return s
	}
	answer, err := e.remote.run(ctx, censusScript, args...)
	if err != nil || len(answer) != 3*len(s.Endpoints) {
		return s
	}
	for i := range s.Endpoints {
		s.Endpoints[i].Waiting, s.Endpoints[i].Best = number(answer, 3*i), number(answer, 3*i+2)
		s.Endpoints[i].Oldest, _ = idTime(text(answer, 3*i+1))
	}
	s.Redis, s.Known = true, true
	return s
}

// count fills in what waits.
func (d *direct) count(endpoints []EndpointStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range endpoints {
		l := d.lines[endpoints[i].Name]
		endpoints[i].Waiting = int64(len(l.fresh) + len(l.put) + len(l.hand))
		endpoints[i].Oldest = l.oldest()
	}
}

// oldest is when the oldest entry was made that waits. l.mu is held.
func (l *line) oldest() (oldest time.Time) {
	ids := slices.Collect(maps.Keys(l.hand))
	if len(l.fresh) > 0 {
		ids = append(ids, l.fresh[0])
	}
	for _, p := range l.put {
		ids = append(ids, p.id)
	}
	for _, id := range ids {
		if at, ok := idTime(id); ok && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// count keeps the figures of what waits, and tells other nodes which endpoints this one has.
func (e *Events) count(ctx context.Context) {
	for {
		s := e.endpoints(ctx, true)
		for i, o := range e.outlets {
			if s.Known {
				e.figures.wait(s.Endpoints[i])
			} else {
				e.figures.unknown(o.Endpoint)
			}
		}
		if !sleep(ctx, e.times.census) {
			return
		}
	}
}
