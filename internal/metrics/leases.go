package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Leases measures the jobs that one node at a time does.
type Leases struct {
	held *prometheus.GaugeVec
	lost *prometheus.CounterVec
}

// NewLeases registers the figures. A lease shows once this node has asked for it.
func NewLeases(reg prometheus.Registerer) *Leases {
	l := &Leases{
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "registryd_lease_held", Help: "1 while this node does the job, under the lease of that name: relay, janitor, import.",
		}, []string{"lease"}),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_lease_lost_total", Help: "Leases that this node could not renew, or that another one took, before the job was done.",
		}, []string{"lease"}),
	}
	reg.MustRegister(l.held, l.lost)
	return l
}

// Measured gives job, to be run under the lease of that name, with the lease held as long as it runs. ctx is that of whoever asks for the lease: if the
// one that job runs with ends sooner, the lease was lost.
func (l *Leases) Measured(ctx context.Context, name string, job func(context.Context) error) func(context.Context) error {
	held, lost := l.held.WithLabelValues(name), l.lost.WithLabelValues(name)
	return func(leased context.Context) error {
		held.Inc()
		defer func() {
			held.Dec()
			if leased.Err() != nil && ctx.Err() == nil {
				lost.Inc()
			}
		}()
		return job(leased)
	}
}
