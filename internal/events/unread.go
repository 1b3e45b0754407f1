package events

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// unread is what waits for an endpoint, before its note is read.
type unread struct {
	id, at   string
	best     bool
	attempts int
	note     []byte // nil: it is in the journal alone
}

const (
	openAtOnce = 16      // entries that are read at the same time
	openBytes  = 4 << 20 // after so much no more is read; what is under way then comes on top
)

// open makes letters, in their order, and reads from the journal what is not at hand. What failed is to be tried again; left is what it did not get to,
// since the notes before it are long. Of an ordered endpoint nothing comes before what failed, so that all behind that is left too.
func open(ctx context.Context, registry Registry, e *Endpoint, all []unread) (letters []*letter, failed, left []unread) {
	made := make([]*letter, len(all))
	var size atomic.Int64
	var group errgroup.Group
	group.SetLimit(openAtOnce)
	n := 0
	for i, u := range all {
		if size.Load() >= openBytes {
			break
		}
		n++
		if u.note != nil {
			made[i] = u.letter(e, u.note)
			size.Add(int64(len(u.note)))
			continue
		}
		group.Go(func() error {
			entry, err := registry.Entry(ctx, u.id)
			switch {
			case err != nil:
			case entry == nil: // it is over, and so is the letter
				made[i] = u.letter(e, nil)
			default:
				made[i] = u.letter(e, entry.Note)
				size.Add(int64(len(entry.Note)))
			}
			return nil
		})
	}
	_ = group.Wait()
	for i, m := range made[:n] {
		switch {
		case m != nil:
			letters = append(letters, m)
		case e.Ordered:
			return letters, nil, all[i:]
		default:
			failed = append(failed, all[i])
		}
	}
	return letters, failed, all[n:]
}

func (u unread) letter(e *Endpoint, note []byte) *letter {
	m := e.newLetter(u.id, note)
	m.at, m.best, m.attempts = u.at, u.best, u.attempts
	return m
}
