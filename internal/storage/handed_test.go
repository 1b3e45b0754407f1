package storage_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

const (
	entryA = "01ARZ3NDEKTSV4RRFFQ69G5FA1"
	entryB = "01ARZ3NDEKTSV4RRFFQ69G5FA2"
)

// What a node hands over costs one request to write and one to read, is listed oldest first, and is removed with the entries that are settled.
func TestHanded(t *testing.T) {
	t.Parallel()
	calls := drivertest.NewFaulty(drivertest.NewFake(t), nil)
	now := time.Now()
	r := storage.New(calls, storage.Options{Now: func() time.Time { now = now.Add(time.Millisecond); return now }})
	for _, note := range []string{"a", "b", "c"} {
		must(t, r.Hand(t.Context(), storage.Handed{ID: entryA, Note: []byte(note)}, storage.Handed{ID: entryB}))
	}
	var ids []string
	for after := ""; ; {
		page, next, err := r.HandedOver(t.Context(), after, 2)
		must(t, err)
		ids = append(ids, page...)
		if after = next; after == "" {
			break
		}
	}
	if len(ids) != 3 || !slices.IsSorted(ids) {
		t.Fatalf("listed are %q", ids)
	}
	for i, id := range ids {
		got, err := r.ReadHanded(t.Context(), id)
		must(t, err)
		if len(got) != 2 || got[0].ID != entryA || string(got[0].Note) != string("abc"[i]) || got[1].ID != entryB || got[1].Note != nil {
			t.Errorf("%s reads as %+v", id, got)
		}
	}
	r.DropHanded(ids[0], ids[1])
	r.Settle(entryA)
	must(t, r.FlushJournal(t.Context()))
	left, _, err := r.HandedOver(t.Context(), "", 10)
	must(t, err)
	if !slices.Equal(left, ids[2:]) {
		t.Errorf("left are %q of %q", left, ids)
	}
	if got, err := r.ReadHanded(t.Context(), ids[0]); got != nil || err != nil {
		t.Errorf("what is gone reads as %+v, %v", got, err)
	}
	count := map[drivertest.Op]int{}
	for _, call := range calls.Calls() {
		count[call.Op]++
	}
	if count[drivertest.OpPut] != 3 || count[drivertest.OpOpen] != 4 || count[drivertest.OpDelete] != 1 {
		t.Errorf("%v requests, want 3 writes, 4 reads and one removal", count)
	}
}

// What is too much for one object, or names no entry, is not written.
func TestHandIsBounded(t *testing.T) {
	t.Parallel()
	r := storage.New(drivertest.NewFake(t), storage.Options{})
	many := slices.Repeat([]storage.Handed{{ID: entryA}}, storage.HandedMost)
	must(t, r.Hand(t.Context(), many...))
	for name, all := range map[string][]storage.Handed{
		"too many": append(many, storage.Handed{ID: entryB}),
		"too long": {{ID: entryA, Note: make([]byte, 1<<20)}},
		"no entry": {{ID: "a/b"}},
	} {
		if err := r.Hand(t.Context(), all...); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
	if ids, _, err := r.HandedOver(t.Context(), "", 10); err != nil || len(ids) != 1 {
		t.Errorf("%q are there, %v", ids, err)
	}
}

// What is broken is told from a store that is away. fsck says so, and calls nothing damaged; the janitor removes it, like all that nobody took for an hour.
func TestBrokenHanded(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	r := storage.New(fake, storage.Options{})
	must(t, r.Hand(t.Context(), storage.Handed{ID: entryA}))
	sound(t, fake)
	ids, _, err := r.HandedOver(t.Context(), "", 10)
	must(t, err)
	many, err := json.Marshal(map[string]any{"v": 1, "entries": slices.Repeat([]storage.Handed{{ID: entryA}}, storage.HandedMost+1)})
	must(t, err)
	broken := []string{`what?`, ``, `{"v":2,"entries":[]}`, `{"v":1,"entries":[{"id":"../x"}]}`, `{"v":1,"entries":[{"id":"` + entryA + `","note":5}]}`,
		string(many), strings.Repeat(" ", 1<<20) + "{}"}
	for i, content := range broken {
		id := ids[0][:len(ids[0])-1] + string("0123456789"[i])
		if id == ids[0] {
			id = ids[0][:len(ids[0])-1] + "Z"
		}
		_, err := fake.Put(t.Context(), storage.DefaultRoot+"/handed/"+id, strings.NewReader(content), drivers.Cond{IfAbsent: true})
		must(t, err)
		if got, err := r.ReadHanded(t.Context(), id); !errors.Is(err, storage.ErrHanded) {
			t.Errorf("%.40s reads as %+v, %v", content, got, err)
		}
	}
	away := storage.New(drivertest.NewFaulty(fake, func(drivertest.Call) drivertest.Outcome { return drivertest.NotApplied }), storage.Options{})
	if _, err := away.ReadHanded(t.Context(), ids[0]); !errors.Is(err, drivers.ErrUnavailable) || errors.Is(err, storage.ErrHanded) {
		t.Errorf("a store that is away: %v", err)
	}
	_, err = fake.Put(t.Context(), storage.DefaultRoot+"/handed/stray", strings.NewReader("x"), drivers.Cond{IfAbsent: true})
	must(t, err)

	for _, c := range []struct {
		later                    time.Duration
		prune                    bool
		notes, leftovers, pruned int
	}{{0, true, len(broken) + 1, 0, 0}, {25 * time.Hour, false, 1, len(broken) + 1, 0}} {
		notes := 0
		s, err := aged(t, fake, c.later).Fsck(t.Context(), storage.FsckOptions{Deep: true, Prune: c.prune, Finding: func(f storage.Finding) {
			if f.Severity == storage.Note && strings.Contains(f.Key, "/handed/") {
				notes++
			}
		}})
		must(t, err)
		if s.Damage != 0 || notes != c.notes || s.Leftovers != c.leftovers || s.Pruned != c.pruned {
			t.Errorf("%v later: %d notes, %+v", c.later, notes, s)
		}
	}
	for _, c := range []struct {
		later time.Duration
		dry   bool
		left  int
	}{{50 * time.Minute, false, len(broken) + 2}, {2 * time.Hour, true, len(broken) + 2}, {2 * time.Hour, false, 1}} {
		_, err := aged(t, fake, c.later).NewJanitor().Run(t.Context(), storage.JanitorOptions{DryRun: c.dry})
		must(t, err)
		if left := below(fake, "/handed/"); len(left) != c.left {
			t.Errorf("%v later, dry run %v: %q are left, want %d", c.later, c.dry, left, c.left)
		}
	}
	must(t, r.Hand(t.Context(), storage.Handed{ID: entryA}))
	s, err := aged(t, fake, 25*time.Hour).Fsck(t.Context(), storage.FsckOptions{Prune: true})
	must(t, err)
	if s.Pruned != 1 {
		t.Errorf("%+v, want one pruned", s)
	}
}

// below are the keys in a folder of the registry's.
func below(fake *drivertest.Fake, folder string) []string {
	return slices.DeleteFunc(fake.Keys(), func(key string) bool { return !strings.HasPrefix(key, storage.DefaultRoot+folder) })
}
