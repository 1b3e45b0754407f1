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
	muster   *muster
	walk     int // counts walks of the whole journal

	complained time.Time // when it was last said that the walks fail; of the goroutine that walks

	mu    sync.Mutex
	known map[string]*sighting
	young map[string]met
	said  map[string]bool // entries that something was logged of
}

// sighting is what was seen of an entry, by this process's own clock.
type sighting struct {
	first time.Time // when it was first looked at
	next  time.Time // when it is to be looked at again
	walk  int       // the last in which it was there
}

// watchMost bounds what is remembered. What is more is looked at when there is room again.
const watchMost = 20_000

func newWatch(registry Registry, t *times, own []*Endpoint) *watch {
	return &watch{registry: registry, times: t, muster: newMuster(own, t), known: map[string]*sighting{}, young: map[string]met{}, said: map[string]bool{}}
}

// look rules on an entry, unless it is too early to look again.
func (w *watch) look(ctx context.Context, id string) (*storage.Entry, ruling, error) {
	watched, due := w.watched(id)
	if !due {
		return nil, leave, nil
	}
	entry, err := w.registry.Entry(ctx, id)
	if entry == nil && err == nil {
		return nil, leave, nil // it is gone
	}
	outcome := storage.Pending
	if err == nil {
		outcome, err = w.registry.Outcome(storage.Watched(ctx, watched), entry)
	}
	switch {
	case err == nil && outcome == storage.Visible:
		return entry, send, nil
	case err == nil && outcome == storage.Lapsed && watched > storage.PushTime:
		w.forget(id)
		return entry, settle, nil
	}
	w.later(id, min(watched, time.Minute)) // the longer nothing came of it, the less is to be expected
	return entry, leave, err
}

// watched says for how long an entry was watched, and whether it is time to look at it again.
func (w *watch) watched(id string) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.known[id]
	if s == nil {
		return 0, true
	}
	s.walk = w.walk
	return time.Since(s.first), !time.Now().Before(s.next)
}

// later has an entry watched, and not be looked at for a while. There may be no room for it.
func (w *watch) later(id string, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sighting(id); s != nil {
		s.next = time.Now().Add(after)
	}
}

// again has everything be looked at that is due later.
func (w *watch) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.known {
		s.next = time.Time{}
	}
}

func (w *watch) forget(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.known, id)
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
	w.forgetYoung()
	w.walk++
}
