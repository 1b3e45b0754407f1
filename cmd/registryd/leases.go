package main

import (
	"context"
	"time"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/metrics"
	"github.com/registryd/registryd/internal/storage"
)

// leasing is a registry whose leases are measured, for what a node does besides answering.
type leasing struct {
	*storage.Registry
	figures *metrics.Leases
}

var _ events.Registry = leasing{}

func (l leasing) WithLease(ctx context.Context, name string, ttl time.Duration, job func(context.Context) error) error {
	return l.Registry.WithLease(ctx, name, ttl, l.figures.Measured(ctx, name, job))
}
