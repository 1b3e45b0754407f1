package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// asDistribution writes what CNCF Distribution has after a push; test/legacy runs the real one.
func asDistribution(t testing.TB, d drivers.Driver, m []byte, blobs [][]byte, tags ...string) {
	t.Helper()
	put := func(key string, content []byte) {
		if _, err := d.Put(t.Context(), storage.DefaultRoot+"/"+key, bytes.NewReader(content), drivers.Cond{}); err != nil {
			t.Fatal(err)
		}
	}
	bytesOf := func(content []byte) (hex string, bare []byte) {
		dg := digest.FromBytes(content)
		put("blobs/sha256/"+dg.Encoded()[:2]+"/"+dg.Encoded()+"/data", content)
		return dg.Encoded(), []byte(dg)
	}
	repo := "repositories/" + string(repoName)
	for _, blob := range blobs {
		hex, bare := bytesOf(blob)
		put(repo+"/_layers/sha256/"+hex+"/link", bare)
	}
	hex, bare := bytesOf(m)
	put(repo+"/_manifests/revisions/sha256/"+hex+"/link", bare)
	for _, tag := range tags {
		put(repo+"/_manifests/tags/"+tag+"/current/link", bare)
		put(repo+"/_manifests/tags/"+tag+"/index/sha256/"+hex+"/link", bare)
	}
}

func prepared(t testing.TB, d drivers.Driver) *storage.Registry {
	t.Helper()
	r := storage.New(d, storage.Options{})
	must(t, r.Prepare(context.Background()))
	return r
}

// A pass (or two) meets pushes that move tags, deletions of manifests and of tags, on nodes that look in both places, in every order that the seeds give.
// What comes out is what some order of the clients' requests gives, as if there were no pass; and a pass afterwards changes nothing of it.
func TestImportMeetsClients(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	old, other := image("old", config), image("other", config)
	oldDigest, otherDigest := digest.FromBytes(old), digest.FromBytes(other)
	outcomes := map[string]int{}
	for seed := range uint64(800) {
		synctest.Test(t, func(t *testing.T) {
			fake := drivertest.NewFake(t).AllowOverwrite()
			asDistribution(t, fake, other, [][]byte{config}, "b")
			asDistribution(t, fake, old, [][]byte{config}, "a", "c")
			must(t, prepared(t, fake).Prepare(t.Context()))
			s := &scheduler{Driver: fake}
			memory := newMemory() // of all nodes, in every other pair of seeds
			facts := storage.Facts(memory)
			if seed&2 == 0 {
				facts = nil
			}
			// A node each. They read the record before the schedule begins.
			node := func() *storage.Registry {
				var calls atomic.Int64 // the clock: the record is read again each time that it may be
				now := func() time.Time { return time.Unix(1e9+10*calls.Add(1), 0) }
				r := storage.New(switched{fake, s}, storage.Options{Now: now, Facts: facts, CacheBytes: 1 << 16})
				must(t, r.Prepare(context.WithValue(t.Context(), direct{}, true)))
				return r
			}
			random := rand.New(rand.NewPCG(seed, 3))
			shared := node() // the pass runs beside clients in one process, too
			importing := func() {
				_, err := shared.Import(t.Context(), storage.ImportOptions{})
				must(t, err)
			}
			actors := []func(){importing}
			// later begins somewhere in the middle of the pass.
			later := func(do func(*storage.Repository)) {
				n, steps := node(), random.IntN(60)
				if random.IntN(2) == 0 {
					n = shared
				}
				actors = append(actors, func() {
					for range steps {
						_, _ = s.Stat(t.Context(), "nothing")
					}
					do(n.Repository(repoName))
				})
			}
			moves, deletesOld, deletesTag, pushesOld := seed%2 == 0, seed%3 == 0, seed%5 == 0, seed%7 == 0
			if seed%4 == 1 {
				actors = append(actors, importing)
			}
			if moves {
				later(func(n *storage.Repository) { must(t, pushManifest(t.Context(), n, other, "a")) })
			}
			if deletesOld {
				later(func(n *storage.Repository) { must(t, n.DeleteManifest(t.Context(), oldDigest, nil)) })
			}
			if deletesTag {
				later(func(n *storage.Repository) {
					err := n.DeleteTag(t.Context(), "b", nil)
					if err != nil && storage.CodeOf(err) == storage.ManifestUnknown && deletesOld && pushesOld {
						return // it went with the manifest that was pushed under it
					}
					must(t, err)
				})
			}
			if pushesOld {
				later(func(n *storage.Repository) { must(t, pushManifest(t.Context(), n, old, "b")) })
			}
			for range 4 {
				later(func(reader *storage.Repository) {
					m, err := reader.Manifest(t.Context(), reference.Reference{Tag: "c"})
					if err != nil && !deletesOld || err == nil && !bytes.Equal(m.Content, old) {
						t.Errorf("seed %d: a reader found c to be %v, %v", seed, m, err)
					}
					if got, err := readBlob(t.Context(), reader, digest.FromBytes(config)); err != nil || !bytes.Equal(got, config) {
						t.Errorf("seed %d: a reader found %q, %v", seed, got, err)
					}
					if tags, _, err := reader.Tags(t.Context(), "", 10); err != nil || !slices.Contains(tags, "a") && !deletesOld {
						t.Errorf("seed %d: a reader found the tags %q, %v", seed, tags, err)
					}
				})
			}
			s.run(rand.New(rand.NewPCG(seed, 2)), actors...)

			remembers := storage.New(fake, storage.Options{Facts: memory})
			must(t, remembers.Prepare(t.Context()))
			agree(t, fmt.Sprint("seed ", seed), remembers.Repository(repoName), prepared(t, fake).Repository(repoName), []reference.Tag{"a", "b", "c"},
				[]digest.Digest{oldDigest, otherDigest}, digest.FromBytes(config))
			for range 2 {
				_, err := prepared(t, fake).Import(t.Context(), storage.ImportOptions{})
				must(t, err)
				late, err := prepared(t, fake).Late(t.Context(), nil)
				must(t, err)
				if late.Any() {
					t.Errorf("seed %d: late are %+v", seed, late)
				}
				repo := prepared(t, fake).Repository(repoName)
				a, b, c, there := tagOf(t, repo, "a"), tagOf(t, repo, "b"), tagOf(t, repo, "c"), has(t, repo, oldDigest)
				outcomes[fmt.Sprint("moves ", moves, " deletes ", deletesOld, deletesTag, " pushes ", pushesOld, ": ", a != "", b != "", c != "", there)]++
				switch {
				case moves && a != otherDigest:
					t.Errorf("seed %d: a push moved a to %s, it is at %s", seed, otherDigest, a)
				case !moves && !deletesOld && a != oldDigest, !moves && deletesOld && !pushesOld && a != "":
					t.Errorf("seed %d: a is at %q", seed, a)
				case !there && (a == oldDigest || b == oldDigest || c == oldDigest):
					t.Errorf("seed %d: a tag has no manifest: a %q, b %q, c %q", seed, a, b, c)
				case deletesOld && !pushesOld && c != "": // a push of the manifest that comes meanwhile keeps what is left of it
					t.Errorf("seed %d: c was deleted with its manifest, it is at %s", seed, c)
				case !deletesOld && c != oldDigest:
					t.Errorf("seed %d: c is at %q", seed, c)
				case deletesOld && !pushesOld && there:
					t.Errorf("seed %d: the manifest was deleted and is there", seed)
				case deletesTag && !pushesOld && b != "":
					t.Errorf("seed %d: b was deleted, it is at %s", seed, b)
				case !deletesTag && !pushesOld && b != otherDigest, !deletesTag && !deletesOld && pushesOld && b != oldDigest:
					t.Errorf("seed %d: b is at %q", seed, b)
				}
				if tags, _, err := repo.Tags(t.Context(), "", 10); err != nil || (a != "") != slices.Contains(tags, "a") || (c != "") != slices.Contains(tags, "c") {
					t.Errorf("seed %d: a is at %q, c at %q, and the list is %q, %v", seed, a, c, tags, err)
				}
			}
			if seed%29 == 0 {
				sound(t, fake)
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Log(len(outcomes), "outcomes")
	if len(outcomes) < 10 {
		t.Error("the schedules did not lead to different ends")
	}
}

// switched sends calls to the scheduler, but those that are marked as direct.
type switched struct {
	drivers.Driver
	scheduled drivers.Driver
}

type direct struct{}

func (s switched) to(ctx context.Context) drivers.Driver {
	if ctx.Value(direct{}) != nil {
		return s.Driver
	}
	return s.scheduled
}

func (s switched) Stat(ctx context.Context, key string) (drivers.Info, error) {
	return s.to(ctx).Stat(ctx, key)
}

func (s switched) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	return s.to(ctx).Open(ctx, key, off, n)
}

func (s switched) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	return s.to(ctx).Put(ctx, key, body, cond)
}

func (s switched) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	return s.to(ctx).List(ctx, opts)
}
