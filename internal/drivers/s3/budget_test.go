package s3

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// TestMemoryStats: an upload that finds no memory waits for it, and is told to come back if it has waited too long. It asks the store for nothing.
func TestMemoryStats(t *testing.T) {
	t.Parallel()
	const blocks = 4
	for _, tt := range []struct {
		name            string
		freed, leaves   time.Duration // after which memory comes free, and the upload ends; 0 for never
		waited, refused uint64
		err             error
		took            time.Duration
	}{
		{"none comes free", 0, 0, 1, 1, drivers.ErrUnavailable, memoryTimeout},
		{"it is broken off", 0, time.Second, 1, 0, context.Canceled, time.Second},
		{"some comes free", 2 * time.Second, 0, 1, 0, drivers.ErrDiscard, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &Driver{config: Config{ChunkSize: minPart, Memory: blocks * blockSize}, memory: newBudget(blocks*blockSize, memoryTimeout)}
				check := func(want MemoryStats) {
					t.Helper()
					if got := d.MemoryStats(); got != want {
						t.Errorf("%+v, want %+v", got, want)
					}
				}
				var held [][]byte
				for n := range int64(blocks) {
					check(MemoryStats{Bytes: n * blockSize, Limit: blocks * blockSize})
					held = append(held, d.memory.try())
				}
				check(MemoryStats{Bytes: blocks * blockSize, Limit: blocks * blockSize})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.freed > 0 {
					first := held[:1]
					held = held[1:]
					time.AfterFunc(tt.freed, func() { d.memory.give(first) })
				}
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, cancel)
				}
				begun := time.Now()
				_, err := d.Append(ctx, drivers.Session{}, "data/1", brokenOff{}, nil)
				if !errors.Is(err, tt.err) || time.Since(begun) != tt.took {
					t.Errorf("%v after %s, want %v after %s", err, time.Since(begun), tt.err, tt.took)
				}
				check(MemoryStats{Bytes: int64(len(held)) * blockSize, Limit: blocks * blockSize, Waited: tt.waited, Refused: tt.refused})
				d.memory.give(held)
				check(MemoryStats{Limit: blocks * blockSize, Waited: tt.waited, Refused: tt.refused})
			})
		})
	}
}

// brokenOff is a Source that wants nothing stored.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, drivers.ErrDiscard }
func (brokenOff) Mark() ([]byte, error)    { return nil, nil }
