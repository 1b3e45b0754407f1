package storage_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// Events that endpoints did not take are kept apart by endpoint, in order, until they are dropped.
func TestDead(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	r := storage.New(fake, storage.Options{})
	ids := []string{"01ARZ3NDEKTSV4RRFFQ69G5FA1", "01ARZ3NDEKTSV4RRFFQ69G5FA2", "01ARZ3NDEKTSV4RRFFQ69G5FA3"}
	event := func(id, reason string) storage.DeadEvent {
		return storage.DeadEvent{ID: id, Time: time.Unix(1e9, 0).UTC(), Reason: reason, Note: []byte("note of " + id)}
	}
	for _, id := range ids {
		must(t, r.PutDead(t.Context(), "b", event(id, "500")))
	}
	must(t, r.PutDead(t.Context(), "a-b", event(ids[0], "404")))
	must(t, r.PutDead(t.Context(), "b", event(ids[1], "by another node")))

	endpoints, err := r.DeadEndpoints(t.Context())
	must(t, err)
	if !slices.Equal(endpoints, []string{"a-b", "b"}) {
		t.Errorf("the endpoints are %q", endpoints)
	}
	var got []string
	for after := ""; ; {
		page, next, err := r.Dead(t.Context(), "b", after, 2)
		must(t, err)
		got = append(got, page...)
		if after = next; after == "" {
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("listed are %q", got)
	}
	one, err := r.DeadEvent(t.Context(), "b", ids[1])
	must(t, err)
	if want := event(ids[1], "500"); one == nil || one.ID != want.ID || one.Reason != want.Reason || !one.Time.Equal(want.Time) || string(one.Note) != string(want.Note) {
		t.Errorf("got %+v", one)
	}
	sound(t, fake)

	must(t, r.DropDead(t.Context(), "b", ids...))
	if one, err := r.DeadEvent(t.Context(), "b", ids[1]); one != nil || err != nil {
		t.Errorf("dropped, it is %+v, %v", one, err)
	}
	if endpoints, err = r.DeadEndpoints(t.Context()); err != nil || !slices.Equal(endpoints, []string{"a-b"}) {
		t.Errorf("the endpoints are %q, %v", endpoints, err)
	}
	for _, record := range []string{`{"v":2,"id":"x"}`, `what?`} {
		_, err := fake.Put(t.Context(), storage.DefaultRoot+"/dead/c/"+record[:1], strings.NewReader(record), drivers.Cond{IfAbsent: true})
		must(t, err)
		if one, err := r.DeadEvent(t.Context(), "c", record[:1]); err == nil {
			t.Errorf("%s is read as %+v", record, one)
		}
	}
}

// fsck counts what is in the journal and what is dead, says what has waited for days, and removes none of it.
func TestFsckOfTheJournal(t *testing.T) {
	t.Parallel()
	fake, config := drivertest.NewFake(t), content(1, 10)
	r := storage.New(fake, storage.Options{})
	must(t, pushWhole(t.Context(), r.Repository(repoName), config))
	must(t, pushManifest(t.Context(), r.Repository(repoName), image("", config), "a"))
	must(t, r.PutDead(t.Context(), "b", storage.DeadEvent{ID: journal(t, fake)[0].ID}))
	for _, c := range []struct {
		later time.Duration
		note  string
	}{{time.Hour, ""}, {25 * time.Hour, "for a day, see"}, {80 * time.Hour, "for 3 days, see registryd events status"}} {
		var notes []string
		s, err := aged(t, fake, c.later).Fsck(t.Context(), storage.FsckOptions{Deep: true, Prune: true, Finding: func(f storage.Finding) { notes = append(notes, string(f.Severity)+f.Key+f.Message) }})
		must(t, err)
		if s.Journal != 1 || s.Dead != 1 || s.Damage+s.Leftovers+s.Pruned != 0 {
			t.Errorf("%+v", s)
		}
		if c.note == "" && len(notes) > 0 || c.note != "" && (len(notes) != 1 || !strings.Contains(notes[0], "/journal/") || !strings.Contains(notes[0], c.note)) {
			t.Errorf("after %v: %q", c.later, notes)
		}
	}
	for _, key := range []string{"/journal/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/dead/b/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/journal/stray", "/dead/stray"} {
		_, err := fake.Put(t.Context(), storage.DefaultRoot+key, strings.NewReader("what?"), drivers.Cond{IfAbsent: true})
		must(t, err)
	}
	notes := 0
	s, err := r.Fsck(t.Context(), storage.FsckOptions{Deep: true, Finding: func(f storage.Finding) {
		if f.Severity == storage.Note {
			notes++
		}
	}})
	must(t, err)
	if s.Damage != 2 || notes != 2 || s.Journal != 2 || s.Dead != 2 {
		t.Errorf("%+v, %d notes", s, notes)
	}
}
