package events

import "time"

// met is when an entry was first met that is young by its id, and in which walk last.
type met struct {
	first time.Time
	walk  int
}

// ripe are the entries that are so old that whoever was told of them has queued them: by their id, or since this process met them, by its own clock. The clock of
// a node may be ahead, by hours.
func (w *watch) ripe(ids []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ripe []string
	for _, id := range ids {
		if !young(id, w.times.untold) || w.metLongAgo(id) {
			ripe = append(ripe, id)
		}
	}
	return ripe
}

// metLongAgo says so of an entry that is young by its id. w.mu is held.
func (w *watch) metLongAgo(id string) bool {
	m, known := w.young[id]
	switch {
	case known:
	case len(w.young) < watchMost:
		m.first = time.Now()
	default:
		return false
	}
	m.walk = w.walk
	w.young[id] = m
	return time.Since(m.first) >= w.times.untold
}

// forgetYoung forgets what the walk did not meet. w.mu is held.
func (w *watch) forgetYoung() {
	for id, m := range w.young {
		if m.walk < w.walk {
			delete(w.young, id)
		}
	}
}
