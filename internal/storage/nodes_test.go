package storage_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

func note(text string) json.RawMessage { return json.RawMessage(`{"said":"` + text + `"}`) }

func nodeNotes(t *testing.T, r *storage.Registry) map[string]string {
	t.Helper()
	notes, err := r.NodeNotes(t.Context(), time.Hour)
	must(t, err)
	all := map[string]string{}
	for _, n := range notes {
		all[n.Instance] = string(n.Note)
	}
	return all
}

func TestNodeRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := drivertest.NewFake(t)
		r := storage.New(store, storage.Options{})
		a, b := r.NodeRecord("a-1"), r.NodeRecord("b-2")
		must(t, a.Put(t.Context(), note("first")))
		must(t, b.Put(t.Context(), note("b")))
		if keys := store.Keys(); !slices.Equal(keys, []string{"docker/registry/v2/meta/nodes/a-1", "docker/registry/v2/meta/nodes/b-2"}) {
			t.Errorf("the keys are %q", keys)
		}
		store.ResetCounts()
		must(t, a.Put(t.Context(), note("second")))
		if counts := store.Counts(); counts[drivertest.OpPut] != 1 || len(counts) != 1 {
			t.Errorf("writing it again costs %v", counts)
		}
		if got := nodeNotes(t, r); got["a-1"] != string(note("second")) || got["b-2"] != string(note("b")) || len(got) != 2 {
			t.Errorf("the notes are %q", got)
		}
		<-time.After(2 * time.Hour)
		must(t, a.Put(t.Context(), note("third")))
		if got := nodeNotes(t, r); got["a-1"] != string(note("third")) || len(got) != 1 {
			t.Errorf("two hours later the notes are %q", got)
		}
		must(t, a.Remove(t.Context()))
		must(t, a.Remove(t.Context()))
		if keys := store.Keys(); !slices.Equal(keys, []string{"docker/registry/v2/meta/nodes/b-2"}) {
			t.Errorf("after it was removed the keys are %q", keys)
		}
	})
}

// A node that lost an answer, or its record, goes on as if nothing had been.
func TestNodeRecordSurvivesLostAnswers(t *testing.T) {
	t.Parallel()
	for _, outcome := range []drivertest.Outcome{drivertest.NotApplied, drivertest.Unanswered} {
		store := drivertest.NewFake(t)
		r := storage.New(store, storage.Options{})
		a := r.NodeRecord("a-1")
		for _, text := range []string{"first", "second"} {
			disarm := store.Inject(drivertest.Fault{Step: 1, Outcome: outcome})
			if err := a.Put(t.Context(), note(text)); err == nil {
				t.Errorf("%v: a Put that failed is said to have worked", outcome)
			}
			disarm()
			must(t, a.Put(t.Context(), note(text+" again")))
			if got := nodeNotes(t, r); got["a-1"] != string(note(text+" again")) {
				t.Errorf("%v: the notes are %q", outcome, got)
			}
		}
		must(t, r.NodeRecord("a-1").Remove(t.Context())) // as a node does that believes it gone
		must(t, a.Put(t.Context(), note("back")))
		if got := nodeNotes(t, r); got["a-1"] != string(note("back")) {
			t.Errorf("%v: after it was removed by others the notes are %q", outcome, got)
		}
	}
}

func TestRemoveOldNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := drivertest.NewFake(t)
		r := storage.New(store, storage.Options{})
		for i := range 20 { // more than a page
			must(t, r.NodeRecord("gone-"+name(i)).Put(t.Context(), note("x")))
		}
		<-time.After(23 * time.Hour)
		must(t, r.NodeRecord("here").Put(t.Context(), note("x")))
		must(t, r.RemoveOldNodes(t.Context()))
		if got := len(store.Keys()); got != 21 {
			t.Errorf("after 23 hours there are %d", got)
		}
		<-time.After(2 * time.Hour)
		must(t, r.RemoveOldNodes(t.Context()))
		if keys := store.Keys(); !slices.Equal(keys, []string{"docker/registry/v2/meta/nodes/here"}) {
			t.Errorf("after 25 hours there are %q", keys)
		}
	})
}

// What a later version may put there upsets neither the list of nodes nor fsck.
func TestUnknownNodesAreLeftAlone(t *testing.T) {
	t.Parallel()
	store := drivertest.NewFake(t)
	r := prepared(t, store)
	must(t, r.NodeRecord("mine").Put(t.Context(), note("x")))
	strange := map[string]string{
		"later":    `{"v":99,"nonce":"x","name":["another","form"]}`,
		"text":     "no JSON",
		"empty":    "",
		"deep/key": `{"v":1,"nonce":"x","note":{}}`,
	}
	for key, content := range strange {
		_, err := store.Put(t.Context(), storage.DefaultRoot+"/meta/nodes/"+key, bytes.NewReader([]byte(content)), drivers.Cond{})
		must(t, err)
	}
	got := nodeNotes(t, r)
	if _, later := got["later"]; !later || got["later"] != "" || got["mine"] != string(note("x")) || len(got) != 3 {
		t.Errorf("the notes are %q", got)
	}
	_, err := r.Fsck(t.Context(), storage.FsckOptions{Prune: true, Deep: true, Finding: func(f storage.Finding) { t.Errorf("fsck found %+v", f) }})
	must(t, err)
	if keys := store.Keys(); len(keys) != 7 { // with meta/format and meta/clock
		t.Errorf("afterwards there are %q", keys)
	}
}

func TestReadOnlyWritesNoNodes(t *testing.T) {
	t.Parallel()
	store := drivertest.NewFake(t)
	must(t, storage.New(store, storage.Options{}).NodeRecord("other").Put(t.Context(), note("x")))
	store.ResetCounts()
	r := storage.New(store, storage.Options{ReadOnly: true})
	if err := r.NodeRecord("a").Put(t.Context(), note("x")); storage.CodeOf(err) != storage.Unsupported {
		t.Errorf("Put gives %v", err)
	}
	if err := r.RemoveOldNodes(t.Context()); storage.CodeOf(err) != storage.Unsupported {
		t.Errorf("RemoveOldNodes gives %v", err)
	}
	if counts := store.Counts(); len(counts) != 0 {
		t.Errorf("it asked the store for %v", counts)
	}
	if got := nodeNotes(t, r); len(got) != 1 {
		t.Errorf("the notes are %q", got)
	}
}
