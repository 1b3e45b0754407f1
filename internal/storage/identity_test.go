package storage_test

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

const formatKey = storage.DefaultRoot + "/meta/format"

// The id of a store is drawn once, whichever nodes open it first, and costs the next ones nothing.
func TestID(t *testing.T) {
	t.Parallel()
	older := `{"v":1,"nonce":"n","origin":"registryd","state":"done"}`
	for _, c := range []struct {
		name     string
		format   string // as an older release wrote it
		opts     storage.Options
		requests int
		none     bool
	}{
		{"a new store", "", storage.Options{}, 3, false},
		{"a new store that may not be written", "", storage.Options{ReadOnly: true}, 2, true},
		{"an older store", older, storage.Options{}, 2, false},
		{"an older store that may not be written", older, storage.Options{ReadOnly: true}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := drivertest.NewFake(t)
			if c.format != "" {
				_, err := fake.Put(t.Context(), formatKey, bytes.NewReader([]byte(c.format)), drivers.Cond{IfAbsent: true})
				must(t, err)
			}
			calls := drivertest.NewFaulty(fake, nil)
			first := storage.New(calls, c.opts)
			if first.ID() != "" {
				t.Error("there is an id before the store was opened")
			}
			must(t, first.Prepare(t.Context()))
			if n := len(calls.Calls()); n != c.requests || (first.ID() == "") != c.none {
				t.Errorf("%d requests, want %d; the id is %q", n, c.requests, first.ID())
			}
			if c.none {
				return
			}
			for _, opts := range []storage.Options{{}, {ReadOnly: true}} {
				next := drivertest.NewFaulty(fake, nil)
				r := storage.New(next, opts)
				must(t, r.Prepare(t.Context()))
				if r.ID() != first.ID() || len(next.Calls()) != 1 {
					t.Errorf("%q after %d requests, want %q after one", r.ID(), len(next.Calls()), first.ID())
				}
			}
		})
	}
}

func TestIDRace(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	var mu sync.Mutex
	ids := map[string]bool{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			r := storage.New(fake, storage.Options{})
			if err := r.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID()] = true
		})
	}
	all.Wait()
	if len(ids) != 1 || ids[""] {
		t.Errorf("the nodes drew %d ids: %v", len(ids), ids)
	}
}

// A pass that brings a store over keeps its id. If one of an older release drops it, a node that knows it puts it back.
func TestIDOutlivesTheImport(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t).AllowOverwrite()
	config := content(1, 10)
	asDistribution(t, fake, image("", config), [][]byte{config}, "a")
	r := prepared(t, fake)
	id := r.ID()

	body, info, err := fake.Open(t.Context(), formatKey, 0, -1)
	must(t, err)
	written, err := io.ReadAll(body)
	must(t, err)
	must(t, body.Close())
	var record map[string]any
	must(t, json.Unmarshal(written, &record))
	delete(record, "id")
	record["nonce"] = "of an older node"
	written, err = json.Marshal(record)
	must(t, err)
	_, err = fake.Put(t.Context(), formatKey, bytes.NewReader(written), drivers.Cond{IfMatch: info.ETag})
	must(t, err)
	if tagOf(t, r.Repository(repoName), "a") == "" {
		t.Error("the tag is not served")
	}
	if got := prepared(t, fake).ID(); id == "" || got != id {
		t.Errorf("the id is %q, it was %q", got, id)
	}

	_, err = r.Import(t.Context(), storage.ImportOptions{})
	must(t, err)
	if got := prepared(t, fake).ID(); got != id || prepared(t, fake).Importing() {
		t.Errorf("after the import the id is %q, it was %q", got, id)
	}
}
