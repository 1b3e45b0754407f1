//go:build stores

package consistency_test

import (
	"slices"
	"testing"
	"time"
)

// TestSlower: a request is compared with those that were under way at the same time.
func TestSlower(t *testing.T) {
	t.Parallel()
	start := time.Now()
	of := func(seconds ...[2]float64) *latencies {
		l := newLatencies()
		for _, s := range seconds {
			l.add("GET", start.Add(time.Duration(s[0]*float64(time.Second))), time.Duration(s[1]*float64(time.Second)))
		}
		return l
	}
	for _, c := range []struct {
		name          string
		with, without *latencies
		want          []string
	}{
		{"as fast", of([2]float64{1, 0.1}, [2]float64{2, 1.4}), of([2]float64{1, 0.1}), nil},
		{"slower", of([2]float64{1, 0.1}, [2]float64{2, 2}), of([2]float64{1, 0.1}, [2]float64{3, 0.1}), []string{"GET 2s"}},
		{"both wait", of([2]float64{2, 3}), of([2]float64{1, 2}), nil},
		{"the other waited before", of([2]float64{4, 3}), of([2]float64{1, 2}), []string{"GET 3s"}},
		{"the other waited afterwards", of([2]float64{1, 3}), of([2]float64{5, 2}), []string{"GET 3s"}},
		{"both wait, one of them much longer", of([2]float64{2, 4}), of([2]float64{1, 2}), []string{"GET 4s"}},
	} {
		if got := c.with.slower(c.without, 1500*time.Millisecond); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
