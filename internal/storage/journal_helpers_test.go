package storage_test

import (
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// outbox notes what it is told of, and delivers nothing.
type outbox struct {
	mu   sync.Mutex
	told map[string]storage.Entry
	look func(storage.Entry) // called for each, if not nil
}

func (o *outbox) Committed(e storage.Entry) {
	if o.look != nil {
		o.look(e)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told == nil {
		o.told = map[string]storage.Entry{}
	}
	o.told[e.ID] = e
}

func (o *outbox) has(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.told[id]
	return ok
}

// notified is a node whose outbox is o.
func notified(d drivers.Driver, o *outbox) *storage.Registry {
	r := storage.New(d, storage.Options{})
	r.HandTo(o)
	return r
}

// aged is a node that looks at the store that much later.
func aged(t testing.TB, d drivers.Driver, later time.Duration) *storage.Registry {
	t.Helper()
	r := storage.New(drivertest.NewLater(d, later), storage.Options{Now: func() time.Time { return time.Now().Add(later) }})
	must(t, r.Prepare(t.Context()))
	return r
}

// What a process that looks later knows: the push is over, or lapsed.
const (
	over   = storage.PushTime + 2*time.Minute
	lapsed = 20 * time.Minute
)

// journal is all that stands in the journal, read in small pages.
func journal(t testing.TB, d drivers.Driver) (all []*storage.Entry) {
	t.Helper()
	r := storage.New(d, storage.Options{})
	for after := ""; ; {
		ids, next, err := r.Journal(t.Context(), after, 2)
		must(t, err)
		for _, id := range ids {
			e, err := r.Entry(t.Context(), id)
			must(t, err)
			if e == nil || e.ID != id {
				t.Fatalf("the entry %s is listed and reads as %+v", id, e)
			}
			all = append(all, e)
		}
		if after = next; after == "" {
			return all
		}
	}
}

// forget empties the journal, as after the last delivery.
func forget(t testing.TB, d drivers.Driver) {
	t.Helper()
	r := storage.New(d, storage.Options{})
	for _, e := range journal(t, d) {
		r.Settle(e.ID)
	}
	must(t, r.FlushJournal(t.Context()))
	if left := journal(t, d); len(left) > 0 {
		t.Errorf("%d entries are left of the journal", len(left))
	}
}

func outcomeOf(t testing.TB, r *storage.Registry, e *storage.Entry) storage.Outcome {
	t.Helper()
	o, err := r.Outcome(t.Context(), e)
	must(t, err)
	return o
}
