package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// agree fails unless a node that remembers serves what the store holds.
func agree(t testing.TB, what string, remembered, stored *storage.Repository, tags []reference.Tag, manifests []digest.Digest, blobs ...digest.Digest) {
	t.Helper()
	for _, tag := range tags {
		if got, want := tagOf(t, remembered, tag), tagOf(t, stored, tag); got != want {
			t.Errorf("%s: the tag %s is served as %q, it is at %q", what, tag, got, want)
		}
		ref := reference.Reference{Tag: tag}
		got, gotErr := remembered.StatManifest(t.Context(), ref)
		want, wantErr := stored.StatManifest(t.Context(), ref)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && (got.Descriptor != want.Descriptor || got.MediaType != want.MediaType) {
			t.Errorf("%s: the tag %s is described as %+v, %v, want %+v, %v", what, tag, got, gotErr, want, wantErr)
		}
	}
	for _, d := range manifests {
		ref := reference.Reference{Digest: d}
		got, gotErr := remembered.Manifest(t.Context(), ref)
		want, wantErr := stored.Manifest(t.Context(), ref)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && (got.MediaType != want.MediaType || !bytes.Equal(got.Content, want.Content)) {
			t.Errorf("%s: the manifest %s is served as %+v, %v, want %+v, %v", what, d, got, gotErr, want, wantErr)
		}
	}
	for _, d := range blobs {
		got, gotErr := readBlob(t.Context(), remembered, d)
		want, wantErr := readBlob(t.Context(), stored, d)
		_, statErr := remembered.StatBlob(t.Context(), d)
		if (gotErr == nil) != (wantErr == nil) || (statErr == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s: the blob %s is served with %v, described with %v, want %v", what, d, gotErr, statErr, wantErr)
		}
	}
}

// After every change, each node serves what the store holds, however long it may remember: whoever changed something has told so before the answer.
func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	fake, m := drivertest.NewFake(t), newMemory()
	one, two := remembering(fake, m).Repository(repoName), remembering(fake, m).Repository(repoName)
	config, layer := content(1, 100), content(2, 100<<10)
	first, second := image("1", config, layer), image("2", config, layer)
	untyped := bytes.Replace(image("3", config), []byte(`"mediaType":"`+ociType+`","schemaVersion"`), []byte(`"schemaVersion"`), 1)
	put := func(m []byte, tags ...reference.Tag) func(context.Context) error {
		return func(ctx context.Context) error { return pushManifest(ctx, one, m, tags...) }
	}
	remove := func(m []byte) func(context.Context) error {
		return func(ctx context.Context) error { return one.DeleteManifest(ctx, digest.FromBytes(m), nil) }
	}
	untyp := func(mediaType string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := one.PutManifest(ctx, storage.Push{MediaType: mediaType, Content: untyped})
			return err
		}
	}
	for _, c := range []struct {
		name string
		do   func(context.Context) error
		told string // one key at least, where something could be remembered
	}{
		{"push a blob", func(ctx context.Context) error { return pushWhole(ctx, one, config) }, ""},
		{"push a long blob", func(ctx context.Context) error { return pushWhole(ctx, one, layer) }, ""},
		{"push a manifest", put(first, "a", "b"), ""},
		{"push it again", put(first, "a"), "/_tags/a"},
		{"move a tag", put(second, "a"), "/_tags/a"},
		{"delete a tag", func(ctx context.Context) error { return one.DeleteTag(ctx, "b", nil) }, "/_tags/b"},
		{"push a deleted tag", put(first, "b"), "/_tags/b"},
		{"delete a manifest", remove(first), "/_tags/b"},
		{"push a deleted manifest", put(first, "a", "b"), "/_tags/a"},
		{"push by digest", untyp("application/vnd.example+json"), ""},
		{"change its media type", untyp(ociType), digest.FromBytes(untyped).Encoded() + "/link"},
		{"delete the other manifest", remove(second), digest.FromBytes(second).Encoded() + "/link"},
		{"delete a blob", func(ctx context.Context) error { return one.DeleteBlob(ctx, digest.FromBytes(layer)) }, digest.FromBytes(layer).Encoded() + "/link"},
		{"push a deleted blob", func(ctx context.Context) error { return pushWhole(ctx, one, layer) }, ""},
		{"mount", func(ctx context.Context) error {
			_, err := one.MountBlob(ctx, digest.FromBytes(layer), repoName)
			return err
		}, ""},
	} {
		m.told = nil
		must(t, c.do(t.Context()))
		m.allTold(t, c.name)
		if c.told != "" && len(m.toldOf(c.told)) == 0 {
			t.Errorf("%s: told %q, nothing of %s", c.name, m.told, c.told)
		}
		for range 2 { // the second time from memory
			agree(t, c.name, two, repository(fake), []reference.Tag{"a", "b"}, []digest.Digest{digest.FromBytes(first), digest.FromBytes(second), digest.FromBytes(untyped)},
				digest.FromBytes(config), digest.FromBytes(layer))
		}
	}
	if len(m.facts) == 0 {
		t.Error("nothing was remembered")
	}
}

// A deletion whose client was not told the outcome is told of by the next one, whatever that one answers.
func TestDeletedTwice(t *testing.T) {
	t.Parallel()
	config := content(1, 100)
	i := image("", config)
	d := digest.FromBytes(i)
	for _, c := range []struct {
		name string
		do   func(*storage.Repository) error
	}{
		{"a tag", func(r *storage.Repository) error { return r.DeleteTag(t.Context(), "a", nil) }},
		{"a manifest", func(r *storage.Repository) error { return r.DeleteManifest(t.Context(), d, nil) }},
		{"a blob", func(r *storage.Repository) error { return r.DeleteBlob(t.Context(), digest.FromBytes(config)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake, m := drivertest.NewFake(t), newMemory()
			repo := remembering(fake, m).Repository(repoName)
			must(t, pushWhole(t.Context(), repo, config))
			must(t, pushManifest(t.Context(), repo, i, "a"))
			check := func() {
				agree(t, c.name, repo, repository(fake), []reference.Tag{"a"}, []digest.Digest{d}, digest.FromBytes(config))
			}
			check()
			must(t, c.do(repository(fake))) // as a node that dies before it can tell
			if err := c.do(repo); err == nil {
				t.Error("it was deleted a second time")
			}
			check()
		})
	}
}

// Pushes, deletions and readers meet in every order that the seeds give. When all have their answers, what is remembered is what is stored.
func TestMemoryMeetsClients(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	wanted, other := image("wanted", config), image("other", config)
	d, o, blob := digest.FromBytes(wanted), digest.FromBytes(other), digest.FromBytes(config)
	outcomes := map[string]int{}
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			fake, m := drivertest.NewFake(t), newMemory()
			must(t, pushWhole(t.Context(), repository(fake), config))
			must(t, pushManifest(t.Context(), repository(fake), wanted, "a", "b"))
			if seed%5 == 0 {
				must(t, repository(fake).DeleteTag(t.Context(), "b", nil))
			}
			s := &scheduler{Driver: fake}
			node := func() *storage.Repository { return remembering(s, m).Repository(repoName) }
			reader := func() {
				r := node()
				for range 3 {
					_, _ = r.Manifest(t.Context(), reference.Reference{Tag: "a"})
					_, _ = r.StatManifest(t.Context(), reference.Reference{Tag: "b"})
					_, _ = r.Manifest(t.Context(), reference.Reference{Digest: d})
					_, _ = r.StatBlob(t.Context(), blob)
				}
			}
			actors := []func(){reader, reader, func() { _ = pushManifest(t.Context(), node(), other, "a") }}
			if seed%2 == 0 {
				actors = append(actors, func() { must(t, node().DeleteManifest(t.Context(), d, nil)) })
			}
			if seed%3 == 0 {
				actors = append(actors, func() { _ = node().DeleteTag(t.Context(), "a", nil) })
			}
			if seed%7 == 0 {
				actors = append(actors, func() { must(t, node().DeleteBlob(t.Context(), blob)) }, func() { must(t, pushWhole(t.Context(), node(), config)) })
			}
			if seed%11 == 0 {
				actors = append(actors, func() { _ = pushManifest(t.Context(), node(), wanted, "b") })
			}
			s.run(rand.New(rand.NewPCG(seed, 4)), actors...)
			m.allTold(t, fmt.Sprint("seed ", seed))
			now, truth := remembering(fake, m).Repository(repoName), repository(fake)
			agree(t, fmt.Sprint("seed ", seed), now, truth, []reference.Tag{"a", "b"}, []digest.Digest{d, o}, blob)
			outcomes[fmt.Sprint(tagOf(t, truth, "a"), tagOf(t, truth, "b"), has(t, truth, d), has(t, truth, o))]++
		})
		if t.Failed() {
			return
		}
	}
	if len(outcomes) < 5 {
		t.Errorf("the schedules led to %d ends only", len(outcomes))
	}
}

// A link that is remembered, and was buried by a deletion that nobody was told of, is made again by whoever is told that the blob is there.
func TestRememberedLinkIsNotBelieved(t *testing.T) {
	t.Parallel()
	fake, m := drivertest.NewFake(t), newMemory()
	repo, blob := remembering(fake, m).Repository(repoName), content(1, 100)
	for what, do := range map[string]func() error{
		"push":  func() error { return pushWhole(t.Context(), repo, blob) },
		"mount": func() error { _, err := repo.MountBlob(t.Context(), digest.FromBytes(blob), ""); return err },
	} {
		must(t, pushWhole(t.Context(), repo, blob))
		must(t, repository(fake).DeleteBlob(t.Context(), digest.FromBytes(blob)))
		must(t, do())
		if _, err := readBlob(t.Context(), repository(fake), digest.FromBytes(blob)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What the push of a manifest asks for was remembered when its blobs were pushed.
func TestPushedLinksAreRemembered(t *testing.T) {
	t.Parallel()
	fake, m := drivertest.NewFake(t), newMemory()
	repo := remembering(fake, m).Repository(repoName)
	blobs := [][]byte{content(1, 100), content(2, 100<<10), content(3, 100)}
	for _, blob := range blobs {
		must(t, pushWhole(t.Context(), repo, blob))
	}
	fake.ResetCounts()
	must(t, pushManifest(t.Context(), repo, image("", blobs...), "a"))
	if got := fake.Counts(); got[drivertest.OpOpen] != 1 || got[drivertest.OpPut] != 6 || len(got) != 2 {
		t.Errorf("the push took %v, want one read of the tag, and the journal, leaf, mark, pointer, link and tag written", got)
	}
	fake.ResetCounts()
	for range 3 {
		for _, ref := range []reference.Reference{{Tag: "a"}, {Digest: digest.FromBytes(image("", blobs...))}} {
			_, err := repo.Manifest(t.Context(), ref)
			must(t, err)
		}
	}
	if got := fake.Counts()[drivertest.OpOpen]; got != 2 {
		t.Errorf("a hot tag and its digest took %d reads, want one each", got)
	}
}

// saying remembers one thing of everything.
type saying string

func (s saying) Fetch(context.Context, string, func(context.Context) (storage.Fact, error)) ([]byte, error) {
	return []byte(s), nil
}
func (saying) Changed(context.Context, ...string) error { return nil }

// What is remembered of a manifest may be of another release, or damaged, and parse all the same. Then the store is asked.
func TestWhatIsRememberedMakesNoSense(t *testing.T) {
	t.Parallel()
	fake, config := drivertest.NewFake(t), content(1, 10)
	must(t, pushWhole(t.Context(), repository(fake), config))
	m := image("", config)
	must(t, pushManifest(t.Context(), repository(fake), m, "a"))
	d := digest.FromBytes(m)
	for _, said := range []saying{"", "7", "null", "{}", `{"v":2}`, `{"digest":"x","size":1}`, `{"digest":"sha256:","size":1}`, `{"digest":"sha256:/../a","size":1}`,
		`{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}`, saying(`{"digest":"` + d.String() + `","size":-1}`)} {
		repo := storage.New(fake, storage.Options{Facts: said}).Repository(repoName)
		agree(t, fmt.Sprintf("remembered is %q", said), repo, repository(fake), []reference.Tag{"a"}, []digest.Digest{d})
		if got := tagOf(t, repo, "a"); got != d {
			t.Errorf("remembered is %q, and the tag is served as %q", said, got)
		}
	}
}

// versions notes the facts that were read, and remembers none.
type versions struct{ read map[string][]storage.Fact }

func (v *versions) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	fact, err := read(ctx)
	v.read[key] = append(v.read[key], fact)
	return fact.Value, err
}

func (v *versions) Changed(context.Context, ...string) error { return nil }

// Each state of a tag has a version of its own, those of its tombstones too; a tag that never was has none.
func TestTagVersions(t *testing.T) {
	t.Parallel()
	fake, v := drivertest.NewFake(t), &versions{map[string][]storage.Fact{}}
	repo, config := storage.New(fake, storage.Options{Facts: v}).Repository(repoName), content(1, 10)
	must(t, pushWhole(t.Context(), repo, config))
	look := func() { _, _ = repo.StatManifest(t.Context(), reference.Reference{Tag: "a"}) }
	look()
	for range 2 {
		must(t, pushManifest(t.Context(), repo, image("", config), "a"))
		look()
		must(t, repo.DeleteTag(t.Context(), "a", nil))
		look()
		look()
	}
	read := v.read[storage.DefaultRoot+"/repositories/"+string(repoName)+"/_tags/a"]
	if len(read) != 7 || read[0].Version != "" || read[0].Value != nil {
		t.Fatalf("%d reads, the first gave %+v", len(read), read[0])
	}
	seen := map[string]bool{}
	for i, fact := range read[1:] {
		if live := i%3 == 0; fact.Version == "" || seen[fact.Version] || live != (fact.Value != nil) {
			t.Errorf("read %d gave %+v", i+1, fact)
		}
		seen[fact.Version] = true
	}
}

// A tombstone is new to its readers for some minutes. After that nothing older than it can be remembered, and it needs no version.
func TestOldTombstones(t *testing.T) {
	t.Parallel()
	fake, v := drivertest.NewFake(t), &versions{map[string][]storage.Fact{}}
	repo, config := repository(fake), content(1, 10)
	must(t, pushWhole(t.Context(), repo, config))
	must(t, pushManifest(t.Context(), repo, image("", config), "deleted", "live"))
	must(t, repo.DeleteTag(t.Context(), "deleted", nil))
	for _, c := range []struct {
		off   time.Duration
		named bool
	}{{-10 * time.Minute, true}, {0, true}, {4 * time.Minute, true}, {6 * time.Minute, false}, {time.Hour, false}} {
		now := func() time.Time { return time.Now().Add(c.off) }
		later := storage.New(fake, storage.Options{Facts: v, Now: now}).Repository(repoName)
		for tag, named := range map[reference.Tag]bool{"deleted": c.named, "live": true} {
			_, err := later.StatManifest(t.Context(), reference.Reference{Tag: tag})
			read := v.read[storage.DefaultRoot+"/repositories/"+string(repoName)+"/_tags/"+tag.String()]
			if got := read[len(read)-1]; (got.Version != "") != named || (got.Value != nil) != (tag == "live") {
				t.Errorf("after %v the tag %s gives %+v, %v", c.off, tag, got, err)
			}
		}
	}
}
