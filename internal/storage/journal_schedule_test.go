package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// diary notes which push set which tag. It stands below the scheduler, so that what is noted has just happened.
type diary struct {
	drivers.Driver
	mu  sync.Mutex
	set map[tagSet]bool
}

type tagSet struct {
	tag   reference.Tag
	entry string
}

func (d *diary) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if !strings.Contains(key, "/_tags/") {
		return d.Driver.Put(ctx, key, body, cond)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return drivers.Info{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := d.Driver.Put(ctx, key, bytes.NewReader(content), cond)
	if err == nil {
		var record struct{ Entry string }
		_ = json.Unmarshal(content, &record) // a tombstone is empty
		d.set[tagSet{reference.Tag(path.Base(key)), record.Entry}] = true
	}
	return info, err
}

// setBy says whether a push has set the tag.
func (d *diary) setBy(tag reference.Tag, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set[tagSet{tag, id}]
}

// lossy is an outbox that loses some of what it is told, as a node does that dies right then.
type lossy struct {
	random *rand.Rand
	mu     sync.Mutex
	kept   map[string]bool
	told   map[string]storage.Entry
}

func (f *lossy) Committed(e storage.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told[e.ID] = e
	if f.random.IntN(2) == 0 {
		f.kept[e.ID] = true
	}
}

// relay walks the journal a few times, and settles what is delivered or kept. It fails if an event would go out before what it tells of was there.
func (f *lossy) relay(t *testing.T, r *storage.Registry, d *diary) {
	for range 3 {
		for after := ""; ; {
			ids, next, err := r.Journal(t.Context(), after, 2)
			must(t, err)
			for _, id := range ids {
				f.forward(t, r, d, id)
			}
			must(t, r.FlushJournal(t.Context()))
			if after = next; after == "" {
				break
			}
		}
	}
}

func (f *lossy) forward(t *testing.T, r *storage.Registry, d *diary, id string) {
	entry, err := r.Entry(t.Context(), id)
	must(t, err)
	if entry == nil {
		return
	}
	switch outcome, err := r.Outcome(t.Context(), entry); {
	case err != nil:
		t.Error(err)
	case outcome == storage.Lapsed:
		t.Errorf("%+v lapsed", entry)
	case outcome == storage.Visible:
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, tag := range entry.Tags {
			if entry.Action == storage.ActionPush && !d.setBy(tag, id) {
				t.Errorf("the push of %s as %s is called visible before it was", entry.Digest, tag)
			}
		}
		f.kept[id] = true
		r.Settle(id)
	}
}

// Pushes, deletions and a relay meet in every order that the seeds give, and nodes die before anybody hears of what they did. Whatever was acknowledged is in
// the journal still, or was delivered; what is in the journal is found to be visible in the end.
func TestJournalMeetsClients(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	images := [][]byte{image("0", config), image("1", config), image("2", config)}
	outcomes := map[string]int{}
	for seed := range uint64(600) {
		synctest.Test(t, func(t *testing.T) {
			fake := drivertest.NewFake(t)
			d := &diary{Driver: fake, set: map[tagSet]bool{}}
			must(t, pushWhole(t.Context(), repository(d), config))
			if seed%2 == 0 {
				must(t, pushManifest(t.Context(), repository(d), images[0], "a", "b"))
			}
			if seed%4 == 0 {
				must(t, repository(d).DeleteTag(t.Context(), "a", nil))
			}
			forget(t, fake)
			s := &scheduler{Driver: d}
			random := rand.New(rand.NewPCG(seed, 7))
			box := &lossy{random: rand.New(rand.NewPCG(seed, 8)), kept: map[string]bool{}, told: map[string]storage.Entry{}}
			var mu sync.Mutex
			acked := 0
			as := func(do func(*storage.Repository) error) func() {
				r := storage.New(s, storage.Options{})
				r.HandTo(box)
				return func() {
					if err := do(r.Repository(repoName)); err == nil {
						mu.Lock()
						defer mu.Unlock()
						acked++
					}
				}
			}
			actors := []func(){func() { box.relay(t, storage.New(s, storage.Options{}), d) }}
			for i := range images {
				tags := [][]reference.Tag{{"a"}, {"a", "b"}, nil}[random.IntN(3)]
				actors = append(actors, as(func(r *storage.Repository) error { return pushManifest(t.Context(), r, images[i], tags...) }))
			}
			if random.IntN(2) == 0 {
				actors = append(actors, as(func(r *storage.Repository) error {
					return r.DeleteManifest(t.Context(), digest.FromBytes(images[0]), nil)
				}))
			}
			if random.IntN(2) == 0 {
				actors = append(actors, as(func(r *storage.Repository) error { return r.DeleteTag(t.Context(), "a", nil) }))
			}
			s.run(random, actors...)

			entries := journal(t, fake)
			for _, e := range entries {
				if _, ok := box.told[e.ID]; !ok {
					t.Errorf("seed %d: %+v is in the journal, and nobody was told of it", seed, e)
				}
				if late := outcomeOf(t, aged(t, fake, lapsed), e); late != storage.Visible {
					t.Errorf("seed %d: %+v was acknowledged, and is %v", seed, e, late)
				}
			}
			found := 0
			for id := range box.told {
				if box.kept[id] || slices.ContainsFunc(entries, func(e *storage.Entry) bool { return e.ID == id }) {
					found++
				}
			}
			if found < acked || len(box.told) < found {
				t.Errorf("seed %d: %d acknowledged, told of %d, %d are delivered or in the journal", seed, acked, len(box.told), found)
			}
			outcomes[fmt.Sprint(len(entries), " left of ", acked)]++
		})
		if t.Failed() {
			return
		}
	}
	t.Log(outcomes)
	if len(outcomes) < 6 {
		t.Error("the schedules did not lead to different ends")
	}
}
