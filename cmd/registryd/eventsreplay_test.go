package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/storage"
)

// replayOn replays what is dead in a store.
func replayOn(t *testing.T, d drivers.Driver, ordered bool) error {
	t.Helper()
	endpoint, err := events.NewEndpoint(events.Options{Name: "ci", URL: nowhere, Ordered: ordered})
	if err != nil {
		t.Fatal(err)
	}
	registry := storage.New(d, storage.Options{})
	endpoints := []*events.Endpoint{endpoint}
	r := &replayer{
		app:  &app{stdout: io.Discard, stderr: io.Discard},
		desk: &desk{registry, newEvents(registry, nil, "", "", endpoints, nil, nil), endpoints}, filter: &eventFilter{},
	}
	return r.run(t.Context())
}

// tagsIn are the tags of the events below dead/ or journal/, in the order of their keys.
func tagsIn(t *testing.T, ids []string, note func(id string) []byte) (tags []string) {
	t.Helper()
	for _, id := range ids {
		all, err := events.ParseNote(note(id))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s holds %v, %v", id, all, err)
		}
		tags = append(tags, string(all[0].Target.Tag))
	}
	return tags
}

func deadTags(t *testing.T, r *storage.Registry) []string {
	t.Helper()
	ids, _, err := r.Dead(t.Context(), "ci", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return tagsIn(t, ids, func(id string) []byte {
		e, err := r.DeadEvent(t.Context(), "ci", id)
		if err != nil || e == nil {
			t.Fatalf("%v, %v", e, err)
		}
		return e.Note
	})
}

func journalTags(t *testing.T, r *storage.Registry) []string {
	t.Helper()
	ids, _, err := r.Journal(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return tagsIn(t, ids, func(id string) []byte {
		e, err := r.Entry(t.Context(), id)
		if err != nil || e == nil || !slices.Equal(e.Endpoints, []string{"ci"}) {
			t.Fatalf("%+v, %v", e, err)
		}
		if outcome, err := r.Outcome(t.Context(), e); err != nil || outcome != storage.Visible {
			t.Fatalf("the outcome of a replay is %v, %v", outcome, err)
		}
		return e.Note
	})
}

// A replay that dies at any call leaves each event dead or in the journal, and the next one brings back the rest, in order.
func TestReplayCrash(t *testing.T) {
	t.Parallel()
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprintf("%d", i))
	}
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered ", ordered), func(t *testing.T) {
			t.Parallel()
			open := func(t *testing.T) drivers.Driver {
				d := drivertest.NewFake(t)
				registry := storage.New(d, storage.Options{})
				for i, tag := range want {
					putDead(t, registry, "ci", time.Now().Add(-time.Hour+time.Duration(i)*time.Millisecond), "a", tag)
				}
				return d
			}
			act := func(t *testing.T, d drivers.Driver) { _ = replayOn(t, d, ordered) }
			drivertest.EachCrash(t, open, act, func(t *testing.T, d drivers.Driver, at drivertest.Call) {
				nextMillisecond() // a later process has later ids
				registry := storage.New(d, storage.Options{})
				dead, journal := deadTags(t, registry), journalTags(t, registry)
				for _, tag := range want {
					if !slices.Contains(dead, tag) && !slices.Contains(journal, tag) {
						t.Errorf("after a crash in %v the event of %s is lost", at, tag)
					}
				}
				if err := replayOn(t, d, ordered); err != nil {
					t.Fatal(err)
				}
				if left := deadTags(t, registry); len(left) > 0 {
					t.Errorf("still dead: %s", left)
				}
				if at != (drivertest.Call{}) && !ordered {
					return // what was written side by side has no order when only some of it was
				}
				// The order is that of their last entries: one may have two.
				all := journalTags(t, registry)
				var last []string
				for i, tag := range all {
					if !slices.Contains(all[i+1:], tag) {
						last = append(last, tag)
					}
				}
				if !slices.Equal(last, want) {
					t.Errorf("the journal has %s", strings.Join(all, " "))
				}
			})
		})
	}
}

// What the context of a command ends stays where it is.
func TestReplayIsStopped(t *testing.T) {
	t.Parallel()
	d := drivertest.NewFake(t)
	registry := storage.New(d, storage.Options{})
	putDead(t, registry, "ci", time.Now().Add(-time.Hour), "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := registry.NewReplay().Enter(ctx, storage.Entry{Repository: "a", Endpoints: []string{"ci"}}); err == nil && len(deadTags(t, registry)) != 1 {
		t.Error("it went on")
	}
	if err := registry.NewReplay().Enter(t.Context(), storage.Entry{Repository: "a"}); err == nil {
		t.Error("a replay for nobody is entered, and would be for all")
	}
	readOnly := storage.New(d, storage.Options{ReadOnly: true})
	if err := readOnly.NewReplay().Enter(t.Context(), storage.Entry{Repository: "a", Endpoints: []string{"ci"}}); storage.CodeOf(err) != storage.Unsupported {
		t.Errorf("while nothing may be written: %v", err)
	}
}

// latecomer is a store in which a letter is given up on, once more, when the first one is replayed.
type latecomer struct {
	drivers.Driver
	once sync.Once
	come func()
}

func (l *latecomer) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if strings.Contains(key, "/journal/") {
		l.once.Do(l.come)
	}
	return l.Driver.Put(ctx, key, body, cond)
}

// A replay brings back what was there when it began, also what was named by clocks that are ahead of its own, and nothing that is given up on meanwhile.
func TestReplayBounds(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	registry := storage.New(fake, storage.Options{})
	putDead(t, registry, "ci", time.Now().Add(-time.Hour), "a", "old")
	putDead(t, registry, "ci", time.Now().Add(time.Hour), "a", "ahead")
	d := &latecomer{Driver: fake, come: func() {
		putDead(t, registry, "ci", time.Now().Add(time.Minute), "a", "late")
		putDead(t, registry, "ci", time.Now().Add(2*time.Hour), "a", "later")
	}}
	if err := replayOn(t, d, false); err != nil {
		t.Fatal(err)
	}
	if got := journalTags(t, registry); !slices.Equal(got, []string{"old", "ahead"}) {
		t.Errorf("the journal has %s", got)
	}
	if got := deadTags(t, registry); !slices.Equal(got, []string{"late", "later"}) {
		t.Errorf("still dead: %s", got)
	}
}
