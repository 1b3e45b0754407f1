package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// contestant is one way to bring bytes into MinIO.
type contestant struct {
	name  string
	push  func(ctx context.Context, blob []byte, d digest.Digest) error
	clear func(ctx context.Context) error // removes what was pushed, so that the disk does not fill up
}

// compare runs the rounds and prints a line for each contestant; the first two are what all are measured by. It gives the ratio of the third to the first.
func compare(ctx context.Context, field []contestant, size, rounds int) (ratio float64, err error) {
	took := make([][]float64, len(field))
	blob := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(time.Now().UnixNano())})
	for round := range rounds + 1 {
		_, _ = random.Read(blob) // never fails
		d := digest.FromBytes(blob)
		for turn := range field {
			i := (turn + round) % len(field)
			start := time.Now()
			if err := field[i].push(ctx, blob, d); err != nil {
				return 0, fmt.Errorf("%s: %w", field[i].name, err)
			}
			if round > 0 {
				took[i] = append(took[i], time.Since(start).Seconds())
			}
			if err := field[i].clear(ctx); err != nil {
				return 0, fmt.Errorf("%s: %w", field[i].name, err)
			}
		}
	}
	for i, c := range field {
		fmt.Printf("  %-18s %6.0f ms (%5.0f to %5.0f) %5.0f MiB/s   %.2f x %s   %.2f x %s\n", c.name,
			1e3*median(took[i]), 1e3*slices.Min(took[i]), 1e3*slices.Max(took[i]), float64(size>>20)/median(took[i]),
			ratioOf(took[i], took[0]), field[0].name, ratioOf(took[i], took[1]), field[1].name)
	}
	ratio = ratioOf(took[2], took[0])
	return ratio, nil
}

// ratioOf is the median of the rounds' ratios.
func ratioOf(took, to []float64) float64 {
	ratios := make([]float64, len(took))
	for r := range ratios {
		ratios[r] = took[r] / to[r]
	}
	return median(ratios)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
