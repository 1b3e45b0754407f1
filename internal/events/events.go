package events

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// Settings are what Events is made of.
type Settings struct {
	Registry   Registry
	Conn       Conn        // nil where no Redis is configured
	Namespace  string      // what keys in Redis begin with
	Instance   string      // of this node, unlike that of every other process
	Endpoints  []*Endpoint // with names of their own; those that are disabled count as not there
	URL        string      // where clients reach the registry (Origin.Registry)
	Source     Source      // this node, as events name it
	Log        *zap.Logger
	Registerer prometheus.Registerer // may be nil
}

// Events brings what the journal holds to the endpoints. Safe for concurrent use.
type Events struct {
	Settings
	disabled []*Endpoint // that are configured, and hear of nothing
	since    time.Time   // when this process began
	outlets  []*outlet
	lanes    []*lane // from Redis; none without
	remote   *remote // nil without Redis
	figures  *figures
	times    times

	intake   chan arrival
	size     atomic.Int64           // bytes of notes in it
	direct   atomic.Pointer[direct] // while this node delivers from the journal
	handover handover
}

var _ storage.Outbox = (*Events)(nil)

// New does nothing yet: see Run. Without Run, Status works.
func New(s Settings) *Events {
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	e := &Events{Settings: s, times: usualTimes, since: time.Now(), intake: make(chan arrival, intakeLength), handover: handover{wake: make(chan struct{}, 1)}}
	e.Endpoints = nil
	for _, endpoint := range s.Endpoints {
		if endpoint.Disabled {
			e.disabled = append(e.disabled, endpoint)
		} else {
			e.Endpoints = append(e.Endpoints, endpoint)
		}
	}
	e.figures = newFigures(s.Registerer, e.Endpoints)
	for _, endpoint := range e.Endpoints {
		e.outlets = append(e.outlets, newOutlet(endpoint, e.figures, s.Log))
	}
	if s.Conn == nil {
		return e
	}
	e.remote = &remote{conn: s.Conn, root: "{" + s.Namespace + ":events}", times: &e.times}
	for _, o := range e.outlets {
		q := &stream{remote: e.remote, endpoint: o.Endpoint, opener: newOpener(o, s.Registry, &e.times), instance: s.Instance, registry: s.Registry}
		e.lanes = append(e.lanes, newLane(o, q, s.Registry, &e.times))
	}
	return e
}

// Run queues and delivers until ctx ends. Then it queues what Committed was told of, and lets deliveries under way finish, within seconds; what is not
// delivered stays where it is for others. It is called once, and ended before Registry.RunJournal is, which carries out what it settles.
func (e *Events) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { e.receive(ctx) })
	all.Go(func() { e.relay(ctx) })
	all.Go(func() { e.handOver(ctx) })
	all.Go(func() { e.count(ctx) })
	for _, l := range e.lanes {
		all.Go(func() { l.run(ctx) })
	}
	all.Wait()
	for _, o := range e.outlets {
		o.sender.Close()
	}
}

// Origin makes the events of a request.
func (e *Events) Origin(request Request, actor Actor) Origin {
	return Origin{Registry: e.URL, Request: request, Actor: actor, Source: e.Source}
}

// addressed are the endpoints that are to hear of an entry: those that a replay names, else those that want to. The foreign ones are not this node's.
func (e *Events) addressed(replay []string, events []Event) (ours, foreign []string) {
	if len(replay) == 0 {
		return e.wanting(events), nil
	}
	for _, name := range replay {
		if slices.ContainsFunc(e.Endpoints, func(endpoint *Endpoint) bool { return endpoint.Name == name }) {
			ours = append(ours, name)
		} else {
			foreign = append(foreign, name)
		}
	}
	return ours, foreign
}

// wanting are the endpoints that want to hear of any of these.
func (e *Events) wanting(events []Event) (names []string) {
	for _, endpoint := range e.Endpoints {
		for i := range events {
			if endpoint.Wants(&events[i]) {
				names = append(names, endpoint.Name)
				break
			}
		}
	}
	return names
}
