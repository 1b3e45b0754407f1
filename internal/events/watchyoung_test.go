package events

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRipe: an entry is looked at once it is old by its id, or was there for as long by the clock here, wherever others stand by theirs; those that are gone are
// forgotten.
func TestRipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(newJournal(), &usualTimes, nil)
		old, young, ahead := newID(time.Now().Add(-time.Minute)), newID(time.Now()), newID(time.Now().Add(time.Hour))
		ids := []string{old, young, ahead}
		if got := w.ripe(ids); !slices.Equal(got, ids[:1]) {
			t.Errorf("at once, %d are ripe, want the old one", len(got))
		}
		w.walked()
		<-time.After(usualTimes.untold - time.Second)
		if got := w.ripe(ids); !slices.Equal(got, ids[:1]) {
			t.Errorf("too soon, %d are ripe, want the old one", len(got))
		}
		w.walked()
		<-time.After(2 * time.Second)
		if got := w.ripe(ids); !slices.Equal(got, ids) {
			t.Errorf("then %d are ripe, want all", len(got))
		}
		w.walked()
		if w.ripe(nil); len(w.young) != 1 {
			t.Errorf("%d are remembered, want the one that is ahead", len(w.young))
		}
		if w.walked(); len(w.young) != 0 {
			t.Errorf("%d are remembered that are gone", len(w.young))
		}
	})
}
