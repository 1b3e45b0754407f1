package events

import (
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// figures are what an operator sees of events. Those of what waits are of the cluster, each node shows the same; all others are of this node.
type figures struct {
	queued, delivered, retried, dead, dropped *prometheus.CounterVec
	latency                                   *prometheus.HistogramVec
	waiting, oldest                           *prometheus.GaugeVec
}

// newFigures registers the figures, unless reg is nil.
func newFigures(reg prometheus.Registerer, endpoints []*Endpoint) *figures {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "registryd_events_" + name + "_total", Help: help}, []string{"endpoint"})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "registryd_events_" + name, Help: help}, []string{"endpoint"})
	}
	f := &figures{
		queued:    counter("queued", "Pushes and deletions whose events were queued, in Redis or, without it, in the memory of the node that delivers."),
		delivered: counter("delivered", "Events that the endpoint has taken."),
		retried:   counter("retried", "Events that an attempt did not deliver and that are tried again."),
		dead:      counter("dead", "Events that were given up on; registryd events dead lists them."),
		dropped:   counter("dropped", "Events of best effort (pulls, mounts, blobs) that were not delivered and are gone."),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "registryd_events_latency_seconds", Help: "How long after the push or deletion began its event was delivered.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200},
		}, []string{"endpoint"}),
		waiting: gauge("waiting", "Pushes and deletions whose events the endpoint has yet to take, as far as this node can know."),
		oldest:  gauge("oldest_seconds", "Age of the oldest of them; 0 if none waits."),
	}
	for _, e := range endpoints {
		for _, c := range []*prometheus.CounterVec{f.queued, f.delivered, f.retried, f.dead, f.dropped} {
			c.WithLabelValues(e.Name)
		}
	}
	if reg != nil {
		reg.MustRegister(f.queued, f.delivered, f.retried, f.dead, f.dropped, f.latency, f.waiting, f.oldest)
	}
	return f
}

// took notes events that an endpoint has taken of a message.
func (f *figures) took(e *Endpoint, m *letter, n int) {
	f.delivered.WithLabelValues(e.Name).Add(float64(n))
	if began, ok := idTime(m.id); ok && !m.best {
		latency := f.latency.WithLabelValues(e.Name)
		for range n {
			latency.Observe(max(time.Since(began).Seconds(), 0)) // clocks differ
		}
	}
}

// wait shows what waits for an endpoint.
func (f *figures) wait(e EndpointStatus) {
	f.waiting.WithLabelValues(e.Name).Set(float64(e.Waiting))
	age := 0.0
	if !e.Oldest.IsZero() {
		age = max(time.Since(e.Oldest).Seconds(), 0)
	}
	f.oldest.WithLabelValues(e.Name).Set(age)
}

// unknown hides what this node does not know.
func (f *figures) unknown(e *Endpoint) {
	f.waiting.DeleteLabelValues(e.Name)
	f.oldest.DeleteLabelValues(e.Name)
}

// idTime is the time that an id begins with.
func idTime(id string) (time.Time, bool) {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}, false
	}
	return ulid.Time(parsed.Time()), true
}
