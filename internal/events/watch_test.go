package events

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// TestWatch: an entry of which nothing is visible is dropped only by who has watched it for longer than a push may take.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		entry := j.push(t, "some/repo", 24*time.Hour, "a")
		w := newWatch(j, &usualTimes, nil)
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
		<-time.After(59 * time.Second)
		rules(storage.Lapsed, leave) // it is too early to look
		<-time.After(time.Second)
		rules(storage.Pending, leave)
		<-time.After(time.Minute)
		rules(storage.Lapsed, settle)
		rules(storage.Lapsed, leave) // it is forgotten with that
		rules(storage.Visible, send)
	})
}

// counting counts how often an entry is read.
type counting struct {
	*journal
	entries atomic.Int64
}

func (c *counting) Entry(ctx context.Context, id string) (*storage.Entry, error) {
	c.entries.Add(1)
	return c.journal.Entry(ctx, id)
}

// TestWatchRests: the longer nothing comes of an entry, the less often it is looked at, and what became visible is found within a minute.
func TestWatchRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &counting{journal: newJournal()}
		entry := j.push(t, "some/repo", 0, "a")
		j.outcomes[entry.ID] = storage.Pending
		w := newWatch(j, &usualTimes, nil)
		for range 120 { // ten minutes
			if _, got, err := w.look(t.Context(), entry.ID); err != nil || got != leave {
				t.Fatalf("the ruling is %d, %v", got, err)
			}
			<-time.After(5 * time.Second)
		}
		if n := j.entries.Load(); n < 10 || n > 20 {
			t.Errorf("it was read %d times in ten minutes", n)
		}
		j.outcomes[entry.ID] = storage.Visible
		<-time.After(time.Minute)
		if _, got, err := w.look(t.Context(), entry.ID); err != nil || got != send {
			t.Errorf("now the ruling is %d, %v", got, err)
		}
	})
}

// TestWatchUnsure: a push that may have been overtaken is not delivered because its time seems to be over, by clocks, but after it was watched for so long.
func TestWatchUnsure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake(t)
		registry := storage.New(fake, storage.Options{})
		registry.HandTo(New(Settings{Registry: registry}))
		index := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
		for range 2 { // of the second one nothing can be seen
			_, err := registry.Repository("some/repo").PutManifest(t.Context(), storage.Push{
				Digest: digest.FromBytes(index), MediaType: "application/vnd.oci.image.index.v1+json", Content: index,
			})
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Millisecond)
		}
		ids, _, err := registry.Journal(t.Context(), "", 10)
		if err != nil || len(ids) != 2 {
			t.Fatalf("the journal holds %q, %v", ids, err)
		}
		fast := storage.New(fake, storage.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
		w := newWatch(fast, &usualTimes, nil)
		for _, c := range []struct {
			after time.Duration
			want  []ruling
		}{{0, []ruling{send, leave}}, {storage.PushTime, []ruling{send, leave}}, {time.Minute, []ruling{send, send}}} {
			<-time.After(c.after)
			for i, id := range ids {
				if _, got, err := w.look(t.Context(), id); err != nil || got != c.want[i] {
					t.Errorf("%v later the ruling on push %d is %d, %v; want %d", c.after, i, got, err, c.want[i])
				}
			}
		}
	})
}

// TestWatchForgets: what is not in the journal any more is not remembered, and there is a limit to what is.
func TestWatchForgets(t *testing.T) {
	t.Parallel()
	j := newJournal()
	w := newWatch(j, &usualTimes, nil)
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
