package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/metrics"
	"github.com/registryd/registryd/internal/storage"
)

// The janitor runs about once an hour on one node. A node that takes over waits out the lease of one that died.
const (
	janitorEvery = time.Hour
	janitorLease = 5 * time.Minute
)

// startJanitor cleans up after uploads until ctx ends, unless the node shall write nothing. The function it gives waits for it.
func startJanitor(ctx context.Context, registry leasing, readOnly bool, reg prometheus.Registerer, log *zap.Logger) (wait func()) {
	if readOnly {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	figures := metrics.NewJanitor(reg)
	janitor := registry.NewJanitor()
	go func() {
		defer close(done)
		for {
			// A different moment on each node, so that they do not ask for the lease all at once.
			pause := time.NewTimer(janitorEvery/2 + rand.N(janitorEvery))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
			start := time.Now()
			var cleaned storage.Cleaned
			err := registry.WithLease(ctx, "janitor", janitorLease, func(ctx context.Context) (err error) {
				cleaned, err = janitor.Run(ctx, storage.JanitorOptions{})
				return err
			})
			switch {
			case errors.Is(err, storage.ErrLeaseHeld), ctx.Err() != nil:
			case err != nil:
				figures.Failed()
				log.Warn("the janitor could not finish, it will try again", zap.Error(err))
			default:
				figures.Ran(cleaned.Uploads, cleaned.Data, cleaned.Parts)
				log.Info("the janitor has run", zap.Int("uploads", cleaned.Uploads), zap.Int("data", cleaned.Data), zap.Int64("bytes", cleaned.Bytes),
					zap.Int("parts", cleaned.Parts), zap.Duration("took", time.Since(start)))
			}
		}
	}()
	return func() { cancel(); <-done }
}
