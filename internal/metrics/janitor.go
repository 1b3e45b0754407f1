package metrics

import "github.com/prometheus/client_golang/prometheus"

// Janitor measures the removal of what uploads left behind.
type Janitor struct {
	removed *prometheus.CounterVec
	last    prometheus.Gauge
	failed  prometheus.Counter
}

// NewJanitor registers the figures.
func NewJanitor(reg prometheus.Registerer) *Janitor {
	j := &Janitor{
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_janitor_removed_total", Help: "What this node's janitor removed: uploads, data, parts.",
		}, []string{"what"}),
		last:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "registryd_janitor_last_run_timestamp_seconds", Help: "When this node's janitor last finished; 0 for never."}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "registryd_janitor_failures_total", Help: "Runs of this node's janitor that did not finish."}),
	}
	reg.MustRegister(j.removed, j.last, j.failed)
	return j
}

// Ran notes a run that finished.
func (j *Janitor) Ran(uploads, data, parts int) {
	for what, n := range map[string]int{"uploads": uploads, "data": data, "parts": parts} {
		j.removed.WithLabelValues(what).Add(float64(n))
	}
	j.last.SetToCurrentTime()
}

// Failed notes one that did not.
func (j *Janitor) Failed() { j.failed.Inc() }
