package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// A deletion dies at each call of the store, and the manifest is pushed under another tag before its client comes back. The repetition takes all tags, those
// that the first one left too.
func TestDeletionIsCompleted(t *testing.T) {
	t.Parallel()
	d := digest.FromBytes(metWanted)
	open := func(t *testing.T) drivers.Driver {
		fake := drivertest.NewFake(t)
		must(t, pushWhole(t.Context(), repository(fake), metConfig))
		must(t, pushManifest(t.Context(), repository(fake), metWanted, "a", "b"))
		must(t, pushManifest(t.Context(), repository(fake), metOther, "elsewhere"))
		return fake
	}
	act := func(t *testing.T, store drivers.Driver) { _ = repository(store).DeleteManifest(t.Context(), d, nil) }
	drivertest.EachCrash(t, open, act, func(t *testing.T, store drivers.Driver, at drivertest.Call) {
		r := repository(store)
		must(t, pushManifest(t.Context(), r, metWanted, "c"))
		sound(t, store)
		must(t, r.DeleteManifest(t.Context(), d, nil))
		if has(t, r, d) || tagOf(t, r, "a") != "" || tagOf(t, r, "b") != "" || tagOf(t, r, "c") != "" || tagOf(t, r, "elsewhere") == "" {
			t.Errorf("died in %v: the repetition left something, or took too much", at)
		}
		sound(t, store)
	})
}

// In a store of CNCF Distribution a deletion meets a push as it does elsewhere: neither the tags nor the link say anything of a life.
func TestPushMeetsDeleteOfOldTags(t *testing.T) {
	t.Parallel()
	wanted := digest.FromBytes(metWanted)
	for seed := range uint64(600) {
		synctest.Test(t, func(t *testing.T) {
			fake := drivertest.NewFake(t)
			asDistribution(t, fake, metWanted, [][]byte{metConfig}, "a", "b")
			prepared(t, fake)
			random := rand.New(rand.NewPCG(seed, 0))
			s := &scheduler{Driver: fake, held: []int{0, 4, 12}[random.IntN(3)]}
			moves := []move{deleting(), pushing(metWanted, ociType, [][]reference.Tag{{"a"}, {"a", "b"}, {"b"}, {}}[random.IntN(4)]...)}
			answers, actors := make([]bool, len(moves)), make([]func(), len(moves))
			for i, m := range moves {
				actors[i] = func() { answers[i] = m.do(t, prepared(t, s).Repository(repoName)) }
			}
			s.run(random, actors...)
			r := prepared(t, fake).Repository(repoName)
			after := scene{has(t, r, wanted), [2]digest.Digest{tagOf(t, r, "a"), tagOf(t, r, "b")}}
			if !explains(moves, answers, 0, scene{true, [2]digest.Digest{wanted, wanted}}, after) {
				t.Fatalf("seed %d: no order of a deletion and a %s explains %+v", seed, moves[1].name, after)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// interrupted has something else done before its first list is made.
type interrupted struct {
	drivers.Driver
	before func()
}

func (l *interrupted) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	if do := l.before; do != nil {
		l.before = nil
		do()
	}
	return l.Driver.List(ctx, opts)
}

// The manifest is pushed again between the tombstone of its link and the list of its tags. Those set since stay. So does one that does not say under which link
// it was set, as those of earlier releases: it might have been since.
func TestDeletionLeavesWhatCameAfter(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	must(t, pushWhole(t.Context(), repository(fake), metConfig))
	must(t, pushManifest(t.Context(), repository(fake), metWanted, "before", "moved", "again", "earlier"))
	store := &interrupted{fake, func() {
		must(t, pushManifest(t.Context(), repository(fake), metWanted, "again", "since"))
		must(t, pushManifest(t.Context(), repository(fake), metOther, "moved"))
		key := storage.DefaultRoot + "/repositories/" + string(repoName) + "/_tags/earlier"
		record := map[string]any{}
		must(t, json.Unmarshal((&world{fake: fake}).read(t, key), &record))
		delete(record, "link")
		content, err := json.Marshal(record)
		must(t, err)
		must(t, fake.Delete(t.Context(), key))
		_, err = fake.Put(t.Context(), key, bytes.NewReader(content), drivers.Cond{})
		must(t, err)
	}}
	wanted := digest.FromBytes(metWanted)
	must(t, repository(store).DeleteManifest(t.Context(), wanted, nil))
	for tag, want := range map[reference.Tag]digest.Digest{"before": "", "moved": digest.FromBytes(metOther), "again": wanted, "since": wanted, "earlier": wanted} {
		if got := tagOf(t, repository(fake), tag); got != want {
			t.Errorf("the tag %s is at %q, want %q", tag, got, want)
		}
	}
	sound(t, fake)
}

// A deletion dies before it has deleted anything, and the link is swapped since the manifest is pushed as another media type: nobody is told of a deletion.
func TestRetypedIsNotDeleted(t *testing.T) {
	t.Parallel()
	d := digest.FromBytes(metWanted)
	for what, before := range map[string]func(*testing.T, drivers.Driver){
		"ours": func(t *testing.T, store drivers.Driver) {
			must(t, pushWhole(t.Context(), repository(store), metConfig))
			must(t, pushManifest(t.Context(), repository(store), metWanted, "a"))
		},
		"swapped before": func(t *testing.T, store drivers.Driver) {
			must(t, pushWhole(t.Context(), repository(store), metConfig))
			for _, mediaType := range []string{"application/vnd.example.one+json", ociType} {
				pushing(metWanted, mediaType).do(t, repository(store))
			}
		},
		"of CNCF Distribution": func(t *testing.T, store drivers.Driver) {
			asDistribution(t, store, metWanted, [][]byte{metConfig}, "a")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			waiting := 0
			open := func(t *testing.T) drivers.Driver {
				fake := drivertest.NewFake(t)
				before(t, fake)
				prepared(t, fake)
				forget(t, fake)
				return fake
			}
			act := func(t *testing.T, store drivers.Driver) {
				r := storage.New(store, storage.Options{})
				if r.Prepare(t.Context()) == nil {
					_ = r.Repository(repoName).DeleteManifest(t.Context(), d, nil)
				}
			}
			drivertest.EachCrash(t, open, act, func(t *testing.T, store drivers.Driver, at drivertest.Call) {
				entries := journal(t, store)
				there := has(t, prepared(t, store).Repository(repoName), d)
				pushing(metWanted, "application/vnd.example+json").do(t, prepared(t, store).Repository(repoName))
				for _, e := range entries {
					if now := outcomeOf(t, aged(t, store, 0), e); there == (now == storage.Visible) {
						t.Errorf("died in %v: the manifest is there: %v, and its deletion is %v", at, there, now)
					}
					if there {
						waiting++
					}
				}
			})
			if waiting == 0 {
				t.Error("no deletion died before it had deleted something")
			}
		})
	}
}

// What a push of several tags costs, and a deletion of their manifest: three requests for each tag that pointed there, two where it points elsewhere by now.
func TestTagsCost(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	r := repository(fake)
	must(t, pushWhole(t.Context(), r, metConfig))
	costs := func(what string, reads, writes, lists int, do func() error) {
		t.Helper()
		fake.ResetCounts()
		must(t, do())
		got := fake.Counts()
		if got[drivertest.OpOpen] != reads || got[drivertest.OpPut] != writes || got[drivertest.OpList] != lists {
			t.Errorf("%s: %v, want %d reads, %d writes, %d lists", what, got, reads, writes, lists)
		}
	}
	must(t, pushManifest(t.Context(), r, metOther, "elsewhere")) // and the catalog leaf
	for n := range 5 {
		var tags []reference.Tag
		for i := range n {
			tags = append(tags, reference.Tag(fmt.Sprintf("tag-%d-%d", n, i)))
		}
		m := image(name(n), metConfig)
		costs(fmt.Sprintf("a push of %d tags", n), 2+n, 3+2*n, 0, func() error { return pushManifest(t.Context(), r, m, tags...) })
		elsewhere := n / 2
		must(t, pushManifest(t.Context(), r, metOther, tags[:elsewhere]...))
		costs(fmt.Sprintf("a deletion with %d tags, %d of them elsewhere", n, elsewhere), 1+2*n-elsewhere, 2+n, 1, func() error {
			return r.DeleteManifest(t.Context(), digest.FromBytes(m), nil)
		})
	}
}
