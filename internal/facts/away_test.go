package facts

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/storage"
)

// away is a Redis that takes its whole budget to say nothing.
type away struct{}

func (away) Do(_ context.Context, budget time.Duration, _ func(context.Context, redis.UniversalClient) error) error {
	<-time.After(budget)
	return errors.New("away")
}

func (away) Trusted() bool { return true }

// TestAwayFetch: the first to see a version waits until nothing older can be remembered, and only the first.
func TestAwayFetch(t *testing.T) {
	t.Parallel()
	const asked, settles = 50 * time.Millisecond, 1100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		f := New(away{}, Options{})
		for _, step := range []struct {
			name    string
			version string
			read    time.Duration
			want    time.Duration
		}{
			{"new", "1", 0, asked + settles},
			{"known", "1", 0, asked},
			{"new, read slowly", "2", 3 * time.Second, asked + 3*time.Second + settles},
			{"the older one again", "1", 0, asked},
			{"without a version", "", 0, asked},
		} {
			begun := time.Now()
			value, err := f.Fetch(t.Context(), "key", func(context.Context) (storage.Fact, error) {
				<-time.After(step.read)
				return storage.Fact{Version: step.version, Value: []byte("value")}, nil
			})
			if err != nil || string(value) != "value" {
				t.Errorf("%s: got %q, %v", step.name, value, err)
			}
			if took := time.Since(begun); took != step.want {
				t.Errorf("%s: took %v, want %v", step.name, took, step.want)
			}
		}
	})
}

// TestAwaySecondReader: one that comes while the first waits waits no longer than that one.
func TestAwaySecondReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, begun := New(away{}, Options{}), time.Now()
		fetch := func(want time.Duration) {
			_, err := f.Fetch(t.Context(), "key", func(context.Context) (storage.Fact, error) { return storage.Fact{Version: "1", Value: []byte{1}}, nil })
			if took := time.Since(begun); err != nil || took != want {
				t.Errorf("it took until %v, want %v; %v", took, want, err)
			}
		}
		go fetch(1150 * time.Millisecond)
		<-time.After(700 * time.Millisecond)
		fetch(1150 * time.Millisecond)
	})
}

func TestAwayChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, begun := New(away{}, Options{}), time.Now()
		if err := f.Changed(t.Context()); err != nil || time.Since(begun) != 0 {
			t.Errorf("without keys: %v after %v", err, time.Since(begun))
		}
		if err := f.Changed(t.Context(), "1", "2"); err != nil || time.Since(begun) != 1100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestAwayContext: a caller who goes away is not kept, and hears the error of its context.
func TestAwayContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, begun := New(away{}, Options{}), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := f.Fetch(ctx, "key", func(context.Context) (storage.Fact, error) { return storage.Fact{Version: "1", Value: []byte{1}}, nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 300*time.Millisecond {
			t.Errorf("Fetch: %v after %v", err, time.Since(begun))
		}
		if err := f.Changed(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Changed: %v", err)
		}
		failed := errors.New("failed")
		if _, err := f.Fetch(t.Context(), "key", func(context.Context) (storage.Fact, error) { return storage.Fact{}, failed }); err != failed {
			t.Errorf("an error of read comes as %v", err)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		f := New(away{}, Options{Registerer: reg})
		_, _ = f.Fetch(t.Context(), "key", func(context.Context) (storage.Fact, error) { return storage.Fact{}, nil })
		_ = f.Changed(t.Context(), "key")
		if away, waited := testutil.ToFloat64(f.metrics.away), testutil.ToFloat64(f.metrics.outlived); away != 1 || waited != 1 {
			t.Errorf("away %v, waited %v", away, waited)
		}
		if n, err := testutil.GatherAndCount(reg, "registryd_facts_total", "registryd_facts_changed_total"); err != nil || n != 6 {
			t.Errorf("%d figures, %v", n, err)
		}
	})
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, fact := range []storage.Fact{
		{Value: []byte{}}, {Value: []byte("value")}, {Version: "version", Value: []byte("value")}, {Version: "L", Value: []byte{0, 'E', 255}},
		{Version: string(make([]byte, 300)), Value: make([]byte, maxEntry-303)},
	} {
		entry, ok := encode(fact)
		if !ok || isLease(entry) {
			t.Errorf("%v: %q, %v", fact, entry, ok)
		}
		if got, ok := decode(entry); !ok || got.Version != fact.Version || string(got.Value) != string(fact.Value) || got.Value == nil {
			t.Errorf("%v came back as %v", fact, got)
		}
	}
	for _, fact := range []storage.Fact{{}, {Version: "1"}, {Value: make([]byte, maxEntry-2)}, {Version: string(make([]byte, 70000)), Value: []byte{}}} {
		if _, ok := encode(fact); ok {
			t.Errorf("a fact with %d bytes, nil %v, is remembered", len(fact.Value), fact.Value == nil)
		}
	}
}

func TestSightingsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSightings()
	for i := range maxSightings + 10 {
		s.settle("key", strconv.Itoa(i))
	}
	if s.seen.Len() != maxSightings || s.settled("key", "9") || !s.settled("key", "10") {
		t.Errorf("%d are kept", s.seen.Len())
	}
}
