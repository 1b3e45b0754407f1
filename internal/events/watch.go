package events

import (
	"context"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// ruling is what the relay does about an entry that nobody is known to deliver.
type ruling int

const (
	leave  ruling = iota // it is not known yet what comes of it
	settle               // nothing came of it, or nobody wants to hear of it
	send                 // it is to be delivered
)

// watch remembers entries of which it is not known yet what comes of them, for as long as one relay walks the journal.
type watch struct {
	registry Registry
	times    *times
	walk     int // counts walks of the whole journal

	mu    sync.Mutex
	known map[string]*sighting
	said  map[string]bool // entries that something was logged of
}

// sighting is what was seen of an entry, by this process's own clock.
type sighting struct {
	first time.Time // when it was first looked at
	walk  int       // the last in which it was there
}

// watchMost bounds what is remembered. What is more is looked at when there is room again.
const watchMost = 20_000

func newWatch(registry Registry, t *times) *watch {
	return &watch{registry: registry, times: t, known: map[string]*sighting{}, said: map[string]bool{}}
}

// look rules on an entry.
func (w *watch) look(ctx context.Context, id string) (*storage.Entry, ruling, error) {
	entry, err := w.registry.Entry(ctx, id)
	if err != nil || entry == nil {
		return nil, leave, err
	}
	outcome, err := w.registry.Outcome(ctx, entry)
	if err != nil {
		return nil, leave, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if outcome == storage.Visible {
		delete(w.known, id)
		return entry, send, nil
	}
	if s := w.sighting(id); s != nil && outcome == storage.Lapsed && time.Since(s.first) > storage.PushTime {
		delete(w.known, id)
		return entry, settle, nil
	}
	return entry, leave, nil
}

// once says yes the first time that it is asked about an entry, as far as is remembered.
func (w *watch) once(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[id] || len(w.said) >= watchMost {
		return false
	}
	w.said[id] = true
	return true
}

// sighting gives what is remembered of an entry, nil if there is no room. w.mu is held.
func (w *watch) sighting(id string) *sighting {
	s := w.known[id]
	if s == nil && len(w.known) < watchMost {
		s = &sighting{first: time.Now()}
		w.known[id] = s
	}
	if s != nil {
		s.walk = w.walk
	}
	return s
}

// walked is to be called after each walk of the whole journal: entries that were not there are forgotten.
func (w *watch) walked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, s := range w.known {
		if s.walk < w.walk {
			delete(w.known, id)
		}
	}
	w.walk++
}
