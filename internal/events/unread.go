package events

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/storage"
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

// opener makes letters for one endpoint. For one goroutine.
type opener struct {
	*outlet
	registry Registry
	times    *times

	unopened map[string]time.Time // since when entries could not be read
}

func newOpener(o *outlet, registry Registry, t *times) *opener {
	return &opener{outlet: o, registry: registry, times: t, unopened: map[string]time.Time{}}
}

// open makes letters, in their order, and reads from the journal what is not at hand. What failed is to be tried again; left is what it did not get to,
// since the notes before it are long. Of an ordered endpoint nothing comes before what failed, so that all behind that is left too.
func (o *opener) open(ctx context.Context, all []unread) (letters []*letter, failed, left []unread) {
	e := o.Endpoint
	made, errs := make([]*letter, len(all)), make([]error, len(all))
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
			entry, err := o.registry.Entry(ctx, u.id)
			switch {
			case err != nil:
				errs[i] = err
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
	for i, err := range errs[:n] {
		if err == nil {
			delete(o.unopened, all[i].id)
		} else if ctx.Err() == nil {
			made[i] = o.hopeless(all[i], err)
		}
	}
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

// unopenedMost bounds what is remembered of entries that cannot be read.
const unopenedMost = 10_000

// hopeless makes a letter of what stands there, to be put among the dead, when nothing could be made of an entry for as long as makes an endpoint gone: until
// then another node may be given it that can. What may be read yet waits, for however long, but not without a word.
func (o *opener) hopeless(u unread, why error) *letter {
	since, known := o.unopened[u.id]
	if !known {
		since = time.Now()
		if len(o.unopened) < unopenedMost {
			o.unopened[u.id] = since
		}
	}
	var unreadable *storage.UnreadableError
	final, lasts := errors.As(why, &unreadable), time.Since(since)
	switch {
	case final && lasts > o.times.gone:
		m := u.letter(o.Endpoint, nil)
		m.broken, m.reason, m.size = unreadable.Content, why.Error(), len(unreadable.Content)
		return m
	case final:
		o.warn("Nothing can be made of an entry of the journal, so it goes among the dead in a while; an ordered endpoint waits for that.", u.id, zap.Error(why))
	case lasts > o.times.gone/10:
		o.warn("An entry of the journal cannot be read; it is tried again, and an ordered endpoint waits for it: see what is wrong in the store.", u.id, zap.Error(why))
	}
	return nil
}

func (u unread) letter(e *Endpoint, note []byte) *letter {
	m := e.newLetter(u.id, note)
	m.at, m.best, m.attempts = u.at, u.best, u.attempts
	return m
}
