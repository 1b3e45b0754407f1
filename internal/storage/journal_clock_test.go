package storage_test

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// slept is a context whose end is a minute away by the monotonic clock, which stood still while the machine was suspended, and long past by that of the wall.
type slept struct {
	context.Context
	end time.Time
}

func (s slept) Deadline() (time.Time, bool) { return s.end, true }

func sleptThrough(ctx context.Context) context.Context {
	end := time.Now().Add(time.Minute)
	// Nothing in package time has the two apart. The first word of a Time that has both is the wall's: below 30 bits of nanoseconds stand the seconds.
	*(*uint64)(unsafe.Pointer(&end)) -= 3600 << 30
	return slept{ctx, end}
}

// What took too long by either clock is not acknowledged: a machine that was suspended does not notice by the one alone.
func TestSleptThroughPushTime(t *testing.T) {
	t.Parallel()
	if end, _ := sleptThrough(t.Context()).Deadline(); time.Until(end) < 50*time.Second || time.Now().Round(0).Before(end.Round(0)) {
		t.Fatalf("the clocks are not apart: %v", end)
	}
	config := content(1, 10)
	before := image("before", config)
	for name, do := range map[string]func(context.Context, *storage.Repository) error{
		"a push": func(ctx context.Context, r *storage.Repository) error {
			return pushManifest(ctx, r, image("after", config), "b")
		},
		"the deletion of a manifest": func(ctx context.Context, r *storage.Repository) error {
			return r.DeleteManifest(ctx, digest.FromBytes(before), nil)
		},
		"the deletion of a tag": func(ctx context.Context, r *storage.Repository) error { return r.DeleteTag(ctx, "a", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, box := drivertest.NewFake(t), &outbox{}
			must(t, pushWhole(t.Context(), repository(fake), config))
			must(t, pushManifest(t.Context(), repository(fake), before, "a"))
			err := do(sleptThrough(t.Context()), notified(fake, box).Repository(repoName))
			if storage.CodeOf(err) != storage.Unavailable || len(box.told) > 0 {
				t.Errorf("it answered %v, and the outbox was told of %d", err, len(box.told))
			}
		})
	}
}
