package storage

import (
	"context"
	"sync"
)

// Untold are records of which somebody found that they were changed, while whoever changed them may have died before others were told. Safe for concurrent use.
//
// How long ago that was does not matter: the times in entries and tags are by the clocks of others, and a deletion may have come long after its entry.
type Untold struct {
	mu       sync.Mutex
	registry *Registry
	keys     []string
}

type untoldKey struct{}

// Gather has each Outcome that is asked for with the context that it gives note what is to be told, rather than tell it. What is called visible is so to every
// node only after Tell: while the memory in common is out of reach that takes a second, however many there are.
func Gather(ctx context.Context) (context.Context, *Untold) {
	u := &Untold{}
	return context.WithValue(ctx, untoldKey{}, u), u
}

// Tell tells of all that was noted. Its error is that of ctx.
func (u *Untold) Tell(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.keys) == 0 {
		return nil
	}
	return u.registry.changed(ctx, u.keys...)
}

// untold notes that records were changed, for whoever gathers, or tells of it.
func (r *Registry) untold(ctx context.Context, keys ...string) error {
	u, ok := ctx.Value(untoldKey{}).(*Untold)
	if !ok {
		return r.changed(ctx, keys...)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.registry, u.keys = r, append(u.keys, keys...)
	return nil
}
