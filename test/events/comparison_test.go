//go:build stores

package events_test

import (
	"slices"
	"testing"
	"time"
)

// TestComparison: pushes wait if more than two thirds of the rounds were too long, each against its own.
func TestComparison(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		with, without []time.Duration // milliseconds
		want          bool
	}{
		{"the same", []time.Duration{20, 30, 40}, []time.Duration{20, 30, 40}, false},
		{"longer by as much as it may be", []time.Duration{25, 110, 220}, []time.Duration{20, 100, 200}, false},
		{"two of three are too long", []time.Duration{26, 111, 220}, []time.Duration{20, 100, 200}, false},
		{"all are too long", []time.Duration{26, 111, 221}, []time.Duration{20, 100, 200}, true},
		{"one round was hard for both", []time.Duration{20, 900, 20}, []time.Duration{20, 900, 20}, false},
		{"faster in one, too long in the others", []time.Duration{40, 40, 40, 40}, []time.Duration{20, 20, 20, 500}, true},
	} {
		of := func(all []time.Duration) *measured {
			m := &measured{p99: slices.Clone(all)}
			for i := range m.p99 {
				m.p99[i] *= time.Millisecond
			}
			return m
		}
		got := comparison{"p99", func(m *measured) []time.Duration { return m.p99 }, of(c.with), of(c.without), little}
		if got.waits() != c.want {
			t.Errorf("%s: too long in %d rounds, want that it waits: %t", c.name, got.long(), c.want)
		}
	}
}
