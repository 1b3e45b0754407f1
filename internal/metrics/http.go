// Package metrics holds what registryd tells Prometheus: requests as a middleware sees them, the store's operations as a decorator of the driver
// sees them, and the process itself.
//
// Labels take their values from small fixed sets: a route is the name of one, never a path; a method that HTTP does not define is "other".
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HTTP records requests. Safe for concurrent use.
type HTTP struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	in       *prometheus.CounterVec
	out      *prometheus.CounterVec
	inFlight prometheus.Gauge
	uploads  prometheus.Gauge
}

// NewHTTP registers its metrics with reg.
func NewHTTP(reg prometheus.Registerer) *HTTP {
	m := &HTTP{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_http_requests_total", Help: "Requests answered.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "registryd_http_request_duration_seconds", Help: "From the headers of a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"route", "method"}),
		in: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_http_in_bytes_total", Help: "Bytes of request bodies read.",
		}, []string{"route"}),
		out: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_http_out_bytes_total", Help: "Bytes of answers written, without their headers.",
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "registryd_http_in_flight", Help: "Requests being answered now.",
		}),
		uploads: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "registryd_uploads_in_flight", Help: "Requests that bring the bytes of a blob now.",
		}),
	}
	reg.MustRegister(m.requests, m.duration, m.in, m.out, m.inFlight, m.uploads)
	return m
}

// Request describes a request that was answered.
type Request struct {
	Route    string // the name of one
	Method   string
	Upload   bool // it brought the bytes of a blob
	Status   int
	In, Out  int64 // bytes of the bodies
	Duration time.Duration
}

// Begin counts a request as running; upload tells whether it brings the bytes of a blob. End must follow, with the same upload.
func (m *HTTP) Begin(upload bool) {
	m.inFlight.Inc()
	if upload {
		m.uploads.Inc()
	}
}

// End records what came of a request.
func (m *HTTP) End(r Request) {
	m.inFlight.Dec()
	if r.Upload {
		m.uploads.Dec()
	}
	method := knownMethod(r.Method)
	m.requests.WithLabelValues(r.Route, method, strconv.Itoa(r.Status)).Inc()
	m.duration.WithLabelValues(r.Route, method).Observe(r.Duration.Seconds())
	m.in.WithLabelValues(r.Route).Add(float64(r.In))
	m.out.WithLabelValues(r.Route).Add(float64(r.Out))
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
