package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
)

// Replay brings events back into the journal that endpoints did not take, so that they are delivered like all others. Its entries have names of their own:
// that of the push or deletion may still stand there for other endpoints, or be known to be over. What the events themselves are called is in their note
// and stays. For one goroutine.
type Replay struct {
	registry *Registry
	entropy  *ulid.MonotonicEntropy // keeps the order of ids of one millisecond
	last     uint64                 // the latest of them
}

// NewReplay begins one.
func (r *Registry) NewReplay() *Replay {
	return &Replay{registry: r, entropy: ulid.Monotonic(rand.Reader, 0)}
}

// Enter writes entries, side by side, of which Repository, Digest, Tags, Endpoints and Note are given; they come behind all that were entered before, in
// their order. After a nil they are all in the journal, and only then may the dead events be dropped: whoever dies in between has them delivered twice, not
// never. After an error some may be there.
func (p *Replay) Enter(ctx context.Context, entries ...Entry) error {
	if err := p.registry.writable(); err != nil {
		return err
	}
	for i := range entries {
		entries[i].Action = ActionReplay
		if err := entries[i].check(); err != nil {
			return err
		}
	}
	group, work := errgroup.WithContext(ctx)
	for _, e := range entries {
		p.last = max(p.last, ulid.Timestamp(p.registry.opts.Now())) // a clock may go back
		id, err := ulid.New(p.last, p.entropy)
		if err != nil {
			return errors.Join(fmt.Errorf("name a journal entry: %w", err), group.Wait())
		}
		e.ID = id.String()
		group.Go(func() error {
			_, err := swap(work, p.registry.driver, p.registry.keys.entry(e.ID), stored[entryRecord]{}, entryRecord{Entry: e})
			return err
		})
	}
	return group.Wait()
}
