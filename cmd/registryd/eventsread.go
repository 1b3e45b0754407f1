package main

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

const (
	idPage    = 1000 // ids in one LIST
	readChunk = 64   // entries that are held at once
	readers   = 16
)

// errEnough ends a walk before its end.
var errEnough = errors.New("enough")

// walkIDs gives the ids that f chooses, by their time, as the store lists them.
func walkIDs(f *eventFilter, list func(after string, n int) (ids []string, next string, err error), give func(ids []string) error) error {
	after := f.after()
	for {
		ids, next, err := list(after, idPage)
		if err != nil {
			return err
		}
		if first := slices.IndexFunc(ids, f.past); first >= 0 {
			if ids = slices.DeleteFunc(ids, f.past); len(f.ahead) == 0 {
				next = ""
			}
		}
		for chunk := range slices.Chunk(ids, readChunk) {
			if err := give(chunk); errors.Is(err, errEnough) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// found is what an id stands for.
type found[T any] struct {
	id     string
	value  *T    // nil if it is gone, or unread
	unread error // why nothing can be made of it; the others are not held up by that
}

// readAll reads what ids stand for, several at once, and gives it in their order.
func readAll[T any](ctx context.Context, ids []string, read func(context.Context, string) (*T, error)) ([]found[T], error) {
	all := make([]found[T], len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, id := range ids {
		group.Go(func() (err error) {
			all[i].id = id
			all[i].value, err = read(ctx, id)
			if unreadable := (*storage.UnreadableError)(nil); errors.As(err, &unreadable) {
				all[i].value, all[i].unread, err = nil, unreadable, nil
			}
			return err
		})
	}
	return all, group.Wait()
}

// deadLetter is an event that an endpoint did not take, or the several ones of a push of several tags.
type deadLetter struct {
	storage.DeadEvent
	endpoint string
	events   []events.Event // none if they cannot be read
}

func (l deadLetter) repository() reference.Name {
	if len(l.events) == 0 {
		return ""
	}
	return l.events[0].Target.Repository
}

// walkDead gives the dead letters of an endpoint that f chooses, some at a time, in order.
func (d *desk) walkDead(ctx context.Context, f *eventFilter, endpoint string, give func([]deadLetter) error) error {
	list := func(after string, n int) ([]string, string, error) { return d.registry.Dead(ctx, endpoint, after, n) }
	return walkIDs(f, list, func(ids []string) error {
		all, err := readAll(ctx, ids, func(ctx context.Context, id string) (*storage.DeadEvent, error) {
			return d.registry.DeadEvent(ctx, endpoint, id)
		})
		if err != nil {
			return err
		}
		var chosen []deadLetter
		for _, one := range all {
			l := deadLetter{endpoint: endpoint}
			switch {
			case one.unread != nil: // it is shown without events, as one whose note cannot be read
				l.Reason = one.unread.Error()
			case one.value == nil:
				continue
			default:
				l.DeadEvent = *one.value
				l.events, _ = events.ParseNote(l.Note)
			}
			l.ID = one.id
			if f.include == nil || len(l.events) > 0 && f.inRepository(l.repository()) {
				chosen = append(chosen, l)
			}
		}
		return give(chosen)
	})
}

// deadEndpoints are those with dead letters, of which f chooses one or all.
func (d *desk) deadEndpoints(ctx context.Context, f *eventFilter) ([]string, error) {
	if f.endpoint != "" {
		return []string{f.endpoint}, nil
	}
	return d.registry.DeadEndpoints(ctx)
}
