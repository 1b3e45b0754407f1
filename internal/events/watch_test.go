package events

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestWatch: an entry of which nothing is visible is dropped only by who has watched it for longer than a push may take.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		entry := j.push(t, "some/repo", 24*time.Hour, "a")
		w := newWatch(j, &usualTimes)
		rules := func(outcome storage.Outcome, want ruling) {
			t.Helper()
			j.outcomes[entry.ID] = outcome
			if _, got, err := w.look(t.Context(), entry.ID); err != nil || got != want {
				t.Errorf("with outcome %d the ruling is %d, %v; want %d", outcome, got, err, want)
			}
		}
		rules(storage.Lapsed, leave)
		rules(storage.Pending, leave)
		<-time.After(storage.PushTime)
		rules(storage.Lapsed, leave)
		<-time.After(time.Second)
		rules(storage.Pending, leave)
		rules(storage.Lapsed, settle)
		rules(storage.Lapsed, leave) // it is forgotten with that
		rules(storage.Visible, send)
	})
}

// TestWatchForgets: what is not in the journal any more is not remembered, and there is a limit to what is.
func TestWatchForgets(t *testing.T) {
	t.Parallel()
	j := newJournal()
	w := newWatch(j, &usualTimes)
	for range watchMost + 10 {
		w.sighting(newID(time.Now()))
	}
	if len(w.known) != watchMost {
		t.Errorf("%d entries are remembered, want %d", len(w.known), watchMost)
	}
	w.walked()
	if len(w.known) != watchMost {
		t.Error("entries are forgotten that were there in the last walk")
	}
	w.walked()
	if len(w.known) != 0 {
		t.Error("entries are remembered that are gone")
	}
}
