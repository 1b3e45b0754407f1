package metrics

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/registryd/registryd/internal/drivers"
)

// Driver gives d, with every operation counted and timed in reg.
//
// The operations are those of the contract, and "read": one for each reader that Open gave, counted when it is closed, so that a store that
// breaks off in the middle shows. How long a reader is open is up to the client and not timed.
//
// A driver's optional interfaces are found behind the method Unwrap() drivers.Driver.
func Driver(d drivers.Driver, reg prometheus.Registerer) drivers.Driver {
	m := &driver{
		Driver: d,
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_driver_operations_total", Help: "Operations of the store, by what came of them.",
		}, []string{"op", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "registryd_driver_operation_duration_seconds", Help: "How long operations of the store took; an append takes as long as its client.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"op"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "registryd_driver_bytes_total", Help: "Bytes of content read from and written to the store.",
		}, []string{"direction"}),
	}
	m.read, m.written = m.bytes.WithLabelValues("read"), m.bytes.WithLabelValues("written")
	reg.MustRegister(m.operations, m.duration, m.bytes)
	return m
}

type driver struct {
	drivers.Driver
	operations    *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	bytes         *prometheus.CounterVec
	read, written prometheus.Counter
}

// Unwrap gives the driver itself, for its optional interfaces.
func (m *driver) Unwrap() drivers.Driver { return m.Driver }

// done records an operation; it is deferred with the time of the call and a pointer to its error.
func (m *driver) done(op string, start time.Time, err *error) {
	m.operations.WithLabelValues(op, result(*err)).Inc()
	m.duration.WithLabelValues(op).Observe(time.Since(start).Seconds())
}

// result sorts errors into what an operator asks about: answers of the contract that are no failure, a store that is away, and the rest.
func result(err error) string {
	switch {
	case err == nil || err == io.EOF:
		return "ok"
	case errors.Is(err, drivers.ErrNotFound):
		return "not_found"
	case errors.Is(err, drivers.ErrPrecondition):
		return "precondition"
	case errors.Is(err, drivers.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	}
	return "error"
}

func (m *driver) Stat(ctx context.Context, key string) (_ drivers.Info, err error) {
	defer m.done("stat", time.Now(), &err)
	return m.Driver.Stat(ctx, key)
}

func (m *driver) Open(ctx context.Context, key string, off, n int64) (_ io.ReadCloser, _ drivers.Info, err error) {
	defer m.done("open", time.Now(), &err)
	r, info, err := m.Driver.Open(ctx, key, off, n)
	if err != nil {
		return nil, info, err
	}
	return &countingReader{ReadCloser: r, m: m}, info, nil
}

func (m *driver) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (info drivers.Info, err error) {
	defer m.done("put", time.Now(), &err)
	if info, err = m.Driver.Put(ctx, key, body, cond); err == nil {
		m.written.Add(float64(info.Size))
	}
	return info, err
}

func (m *driver) Delete(ctx context.Context, keys ...string) (err error) {
	defer m.done("delete", time.Now(), &err)
	return m.Driver.Delete(ctx, keys...)
}

func (m *driver) List(ctx context.Context, opts drivers.ListOptions) (_ drivers.Page, err error) {
	defer m.done("list", time.Now(), &err)
	return m.Driver.List(ctx, opts)
}

func (m *driver) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (_ drivers.Session, err error) {
	source := &countingSource{Source: src, written: m.written}
	defer func(start time.Time) {
		// A client that goes away is no failure of the store.
		outcome := err
		if err != nil && source.failed != nil && errors.Is(err, source.failed) {
			outcome = context.Canceled
		}
		m.done("append", start, &outcome)
	}(time.Now())
	watched := drivers.Source(source)
	if w, ok := src.(drivers.Watcher); ok {
		watched = struct {
			drivers.Source
			drivers.Watcher
		}{source, w}
	}
	return m.Driver.Append(ctx, s, fresh, watched, saved)
}

func (m *driver) Commit(ctx context.Context, s drivers.Session) (_ drivers.Info, err error) {
	defer m.done("commit", time.Now(), &err)
	return m.Driver.Commit(ctx, s)
}

func (m *driver) Abort(ctx context.Context, s drivers.Session) (err error) {
	defer m.done("abort", time.Now(), &err)
	return m.Driver.Abort(ctx, s)
}

func (m *driver) Ping(ctx context.Context) (err error) {
	defer m.done("ping", time.Now(), &err)
	return m.Driver.Ping(ctx)
}

// countingReader counts what is read of an object.
type countingReader struct {
	io.ReadCloser
	m      *driver
	failed error
	closed bool
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.m.read.Add(float64(n))
	if err != nil && err != io.EOF && r.failed == nil {
		r.failed = err
	}
	return n, err
}

func (r *countingReader) Close() error {
	if !r.closed {
		r.closed = true
		r.m.operations.WithLabelValues("read", result(r.failed)).Inc()
	}
	return r.ReadCloser.Close()
}

// countingSource counts what a driver reads of an upload, and keeps what made it stop.
type countingSource struct {
	drivers.Source
	written prometheus.Counter
	failed  error
}

func (s *countingSource) Read(p []byte) (int, error) {
	n, err := s.Source.Read(p)
	s.written.Add(float64(n))
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}
