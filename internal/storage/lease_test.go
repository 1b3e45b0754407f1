package storage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// A lease that is not renewed is taken after its time, however far the clock of its holder was ahead; one that is renewed is not.
func TestLeaseOfTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake(t)
		lost := drivertest.NewFaulty(fake, nil)
		ahead := storage.New(lost, storage.Options{Now: func() time.Time { return time.Now().Add(24 * time.Hour) }})
		dies := make(chan struct{})
		ctx, end := context.WithCancel(t.Context())
		go func() {
			_ = ahead.WithLease(ctx, "job", time.Minute, func(ctx context.Context) error {
				<-dies
				lost.CrashAt(1, drivertest.NotApplied)
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		synctest.Wait()
		other := storage.New(fake, storage.Options{})
		try := func() error {
			return other.WithLease(t.Context(), "job", time.Minute, func(context.Context) error { return nil })
		}
		for range 50 { // it is renewed meanwhile
			if err := try(); !errors.Is(err, storage.ErrLeaseHeld) {
				t.Fatalf("of a holder that lives: %v", err)
			}
			<-time.After(10 * time.Second)
		}
		close(dies)
		died := time.Now()
		for try() != nil {
			if time.Since(died) > 2*time.Minute {
				t.Fatal("the lease of who died is not taken")
			}
			<-time.After(time.Second)
		}
		if took := time.Since(died); took < 39*time.Second { // it was renewed 20 s before at most
			t.Errorf("it was taken after %v", took)
		}
		end()
	})
}
