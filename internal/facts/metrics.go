package facts

import "github.com/prometheus/client_golang/prometheus"

// metrics are what an operator sees of the memory in common.
type metrics struct {
	hit, miss, waited, away prometheus.Counter
	told, outlived          prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	fetched := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "registryd_facts_total",
		Help: "Facts asked for: hit and waited were found in Redis (waited: once another reader was done), miss was read from the store, away too, as Redis did not answer or was not to be trusted yet.",
	}, []string{"result"})
	changed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "registryd_facts_changed_total",
		Help: "Changes that were told to Redis, or waited out since it did not answer.",
	}, []string{"result"})
	if reg != nil {
		reg.MustRegister(fetched, changed)
	}
	return &metrics{
		hit: fetched.WithLabelValues("hit"), miss: fetched.WithLabelValues("miss"),
		waited: fetched.WithLabelValues("waited"), away: fetched.WithLabelValues("away"),
		told: changed.WithLabelValues("told"), outlived: changed.WithLabelValues("waited"),
	}
}
