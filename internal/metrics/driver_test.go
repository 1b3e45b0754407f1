package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/registryd/registryd/internal/drivers"
)

// watcher is a source that is told how far the driver came.
type watcher struct {
	source
	told *int64
}

func (w watcher) Reached(s drivers.Session) { *w.told = s.Offset }

// telling tells of one durable point.
type telling struct{ stub }

func (t *telling) Append(_ context.Context, at drivers.Session, _ string, src drivers.Source, _ func(drivers.Session) error) (drivers.Session, error) {
	w, ok := src.(drivers.Watcher)
	if ok {
		w.Reached(drivers.Session{Offset: 7})
	}
	_, err := io.Copy(io.Discard, src)
	if ok != (at.Key == "watched") {
		err = errors.New("a source watches that does not want to, or the other way round")
	}
	return at, err
}

func TestWatchersAreTold(t *testing.T) {
	t.Parallel()
	reg, told := prometheus.NewRegistry(), int64(0)
	d := Driver(&telling{}, reg)
	if _, err := d.Append(t.Context(), drivers.Session{Key: "watched"}, "k", watcher{source{strings.NewReader("12")}, &told}, nil); err != nil || told != 7 {
		t.Errorf("told of %d, %v", told, err)
	}
	if _, err := d.Append(t.Context(), drivers.Session{}, "k", source{strings.NewReader("12")}, nil); err != nil {
		t.Error(err)
	}
}

// stub answers every operation with err.
type stub struct {
	body string
	err  error
}

func (s *stub) Stat(context.Context, string) (drivers.Info, error) { return drivers.Info{}, s.err }
func (s *stub) Open(context.Context, string, int64, int64) (io.ReadCloser, drivers.Info, error) {
	if s.err != nil {
		return nil, drivers.Info{}, s.err
	}
	return io.NopCloser(strings.NewReader(s.body)), drivers.Info{}, nil
}
func (s *stub) Put(_ context.Context, _ string, body io.ReadSeeker, _ drivers.Cond) (drivers.Info, error) {
	n, _ := io.Copy(io.Discard, body)
	return drivers.Info{Size: n}, s.err
}
func (s *stub) Delete(context.Context, ...string) error { return s.err }
func (s *stub) List(context.Context, drivers.ListOptions) (drivers.Page, error) {
	return drivers.Page{}, s.err
}
func (s *stub) Append(_ context.Context, at drivers.Session, _ string, src drivers.Source, _ func(drivers.Session) error) (drivers.Session, error) {
	if _, err := io.Copy(io.Discard, src); err != nil {
		return at, fmt.Errorf("appending: %w", err)
	}
	return at, s.err
}
func (s *stub) Commit(context.Context, drivers.Session) (drivers.Info, error) {
	return drivers.Info{}, s.err
}
func (s *stub) Abort(context.Context, drivers.Session) error { return s.err }
func (s *stub) Ping(context.Context) error                   { return s.err }
func (s *stub) Close() error                                 { return s.err }

type source struct{ io.Reader }

func (source) Mark() ([]byte, error) { return nil, nil }

// callAll makes each call of the contract once.
func callAll(t *testing.T, d drivers.Driver) {
	t.Helper()
	ctx := t.Context()
	_, _ = d.Stat(ctx, "k")
	if r, _, err := d.Open(ctx, "k", 0, -1); err == nil {
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
		_ = r.Close()
		_ = r.Close() // counted once all the same
	}
	_, _ = d.Put(ctx, "k", bytes.NewReader(make([]byte, 10)), drivers.Cond{})
	_ = d.Delete(ctx, "k", "l")
	_, _ = d.List(ctx, drivers.ListOptions{})
	_, _ = d.Append(ctx, drivers.Session{}, "k", source{strings.NewReader("1234567")}, nil)
	_, _ = d.Commit(ctx, drivers.Session{})
	_ = d.Abort(ctx, drivers.Session{})
	_ = d.Ping(ctx)
}

func TestDriverCounts(t *testing.T) {
	t.Parallel()
	ops := []string{"stat", "open", "put", "delete", "list", "append", "commit", "abort", "ping"}
	tests := []struct {
		result        string
		err           error
		read, written float64
	}{
		{"ok", nil, 5, 17},
		{"not_found", fmt.Errorf("x: %w", drivers.ErrNotFound), 0, 7},
		{"precondition", drivers.ErrPrecondition, 0, 7},
		{"unavailable", &drivers.Unavailable{Err: context.DeadlineExceeded}, 0, 7},
		{"canceled", context.Canceled, 0, 7},
		{"error", errors.New("disk on fire"), 0, 7},
	}
	for _, tt := range tests {
		t.Run(tt.result, func(t *testing.T) {
			t.Parallel()
			d := Driver(&stub{body: "hello", err: tt.err}, prometheus.NewRegistry()).(*driver)
			callAll(t, d)
			for _, op := range ops {
				if n := testutil.ToFloat64(d.operations.WithLabelValues(op, tt.result)); n != 1 {
					t.Errorf("%s with %s: counted %v times, want 1", op, tt.result, n)
				}
			}
			want := len(ops)
			if tt.err == nil {
				want++ // the read
			}
			if n := testutil.CollectAndCount(d.operations); n != want {
				t.Errorf("%d pairs of operation and result, want %d", n, want)
			}
			if n := testutil.CollectAndCount(d.duration); n != len(ops) {
				t.Errorf("%d operations timed, want %d", n, len(ops))
			}
			if read, written := testutil.ToFloat64(d.read), testutil.ToFloat64(d.written); read != tt.read || written != tt.written {
				t.Errorf("%v bytes read and %v written, want %v and %v", read, written, tt.read, tt.written)
			}
		})
	}
}

func TestDriverTellsClientsFromTheStore(t *testing.T) {
	t.Parallel()
	d := Driver(&stub{}, prometheus.NewRegistry()).(*driver)
	gone := errors.New("the client went away")
	if _, err := d.Append(t.Context(), drivers.Session{}, "k", source{iotest.ErrReader(gone)}, nil); !errors.Is(err, gone) {
		t.Errorf("got %v, want the source's error", err)
	}
	if n := testutil.ToFloat64(d.operations.WithLabelValues("append", "canceled")); n != 1 {
		t.Errorf("counted %v times as canceled, want 1", n)
	}
}

func TestDriverCountsBrokenReads(t *testing.T) {
	t.Parallel()
	d := Driver(&stub{}, prometheus.NewRegistry()).(*driver)
	r := &countingReader{ReadCloser: io.NopCloser(iotest.ErrReader(drivers.ErrUnavailable)), m: d}
	if _, err := io.ReadAll(r); !errors.Is(err, drivers.ErrUnavailable) {
		t.Errorf("got %v, want the store's error", err)
	}
	_ = r.Close()
	if n := testutil.ToFloat64(d.operations.WithLabelValues("read", "unavailable")); n != 1 {
		t.Errorf("counted %v times as unavailable, want 1", n)
	}
}

func TestDriverUnwraps(t *testing.T) {
	t.Parallel()
	inner := &stub{}
	if u, ok := Driver(inner, prometheus.NewRegistry()).(interface{ Unwrap() drivers.Driver }); !ok || u.Unwrap() != inner {
		t.Error("the driver itself is out of reach")
	}
}
