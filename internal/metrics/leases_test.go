package metrics

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLeases(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name              string
		stopped, takenOff bool // the node stops, the lease is lost
		err               error
		lost              float64
	}{
		{"done", false, false, nil, 0},
		{"failed", false, false, broken, 0},
		{"stopped", true, true, context.Canceled, 0},
		{"lost", false, true, context.Canceled, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := NewLeases(prometheus.NewPedanticRegistry())
			figures := func() (held, lost float64) {
				return testutil.ToFloat64(l.held.WithLabelValues("job")), testutil.ToFloat64(l.lost.WithLabelValues("job"))
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			leased, lose := context.WithCancel(ctx)
			defer lose()
			job := l.Measured(ctx, "job", func(context.Context) error {
				if held, lost := figures(); held != 1 || lost != 0 {
					t.Errorf("while it runs: held %v, lost %v", held, lost)
				}
				if tt.stopped {
					stop()
				}
				if tt.takenOff {
					lose()
				}
				return tt.err
			})
			if count := testutil.CollectAndCount(l.held); count != 1 {
				t.Errorf("before it runs, %d leases are shown", count)
			}
			if err := job(leased); !errors.Is(err, tt.err) {
				t.Errorf("the job gave %v, want %v", err, tt.err)
			}
			if held, lost := figures(); held != 0 || lost != tt.lost {
				t.Errorf("afterwards: held %v, lost %v, want 0 and %v", held, lost, tt.lost)
			}
		})
	}
}
