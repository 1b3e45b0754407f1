package redisconn

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// figures measure the calls.
type figures struct {
	reg      prometheus.Registerer
	up       prometheus.GaugeFunc
	calls    *prometheus.CounterVec
	duration prometheus.Histogram
}

// newFigures registers the figures, unless reg is nil.
func newFigures(reg prometheus.Registerer, up func() bool) *figures {
	f := &figures{
		reg: reg,
		up: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "registryd_redis_up", Help: "1 while Redis answers, 0 while it is away and registryd works without it.",
		}, func() float64 {
			if up() {
				return 1
			}
			return 0
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_redis_calls_total", Help: "Calls of Redis, by what came of them; those that were not tried because it is away are among away.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "registryd_redis_call_duration_seconds", Help: "How long calls of Redis took that were tried.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}),
	}
	for _, v := range []verdict{ok, away, failure, canceled} {
		f.calls.WithLabelValues(string(v))
	}
	if reg != nil {
		reg.MustRegister(f.up, f.calls, f.duration)
	}
	return f
}

func (f *figures) asked(v verdict, took time.Duration) {
	f.calls.WithLabelValues(string(v)).Inc()
	f.duration.Observe(took.Seconds())
}

// refused notes a call that was not tried.
func (f *figures) refused() { f.calls.WithLabelValues(string(away)).Inc() }

func (f *figures) unregister() {
	if f.reg != nil {
		f.reg.Unregister(f.up)
		f.reg.Unregister(f.calls)
		f.reg.Unregister(f.duration)
	}
}
