package events

import (
	"context"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// Registry is what is needed of storage.Registry, whose methods say what they do.
type Registry interface {
	Journal(ctx context.Context, after string, n int) (ids []string, next string, err error)
	Entry(ctx context.Context, id string) (*storage.Entry, error)
	Outcome(ctx context.Context, e *storage.Entry) (storage.Outcome, error)
	Settle(ids ...string)
	Hand(ctx context.Context, entries ...storage.Handed) error
	HandedOver(ctx context.Context, after string, n int) (ids []string, next string, err error)
	ReadHanded(ctx context.Context, id string) ([]storage.Handed, error)
	DropHanded(ids ...string)
	PutDead(ctx context.Context, endpoint string, e storage.DeadEvent) error
	WithLease(ctx context.Context, name string, ttl time.Duration, fn func(context.Context) error) error
}

var _ Registry = (*storage.Registry)(nil)
