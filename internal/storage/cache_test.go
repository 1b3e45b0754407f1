package storage_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// What a node remembers stays within its bytes, is served as it is stored, and is counted.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	const limit, blobs = 256 << 10, 64
	fake := drivertest.NewFake(t)
	node := storage.New(fake, storage.Options{CacheBytes: limit})
	repo := node.Repository(repoName)
	for i := range blobs {
		must(t, pushWhole(t.Context(), repo, content(uint64(i), 10<<10)))
	}
	long, huge := image(strings.Repeat("x", 80<<10), content(0, 10<<10)), image(strings.Repeat("y", 300<<10), content(0, 10<<10))
	must(t, pushManifest(t.Context(), repo, long, "long"))
	must(t, pushManifest(t.Context(), repo, huge, "huge"))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range blobs {
				want := content(uint64(i), 10<<10)
				if got, err := readBlob(t.Context(), repo, digest.FromBytes(want)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
				}
			}
			for tag, want := range map[reference.Tag][]byte{"long": long, "huge": huge} {
				if tagOf(t, repo, tag) != digest.FromBytes(want) {
					t.Errorf("the tag %s is not served", tag)
				}
			}
		})
	}
	all.Wait()
	for range 2 {
		tagOf(t, repo, "long") // the second time from memory
	}
	s := node.CacheStats()
	if s.Bytes > limit || s.Limit != limit || s.Bytes < limit/2 || s.Entries < 5 || s.Entries > blobs {
		t.Errorf("%d entries, %d bytes of %d", s.Entries, s.Bytes, s.Limit)
	}
	if s.Hits["pointer"] == 0 || s.Misses["pointer"] == 0 || s.Hits["manifest"] == 0 || s.Misses["manifest"] == 0 {
		t.Errorf("%+v", s)
	}
}

// With no bytes to remember in, nothing is remembered.
func TestNoCache(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	node, blob := storage.New(fake, storage.Options{}), content(1, 10)
	must(t, pushWhole(t.Context(), node.Repository(repoName), blob))
	fake.ResetCounts()
	for range 2 {
		_, err := readBlob(t.Context(), node.Repository(repoName), digest.FromBytes(blob))
		must(t, err)
	}
	if n := fake.Counts()[drivertest.OpOpen]; n != 4 {
		t.Errorf("%d reads, want 4", n)
	}
	if s := node.CacheStats(); s.Entries != 0 || s.Bytes != 0 || s.Hits["pointer"]+s.Misses["pointer"] != 0 {
		t.Errorf("%+v", s)
	}
}

// fsck sees the store, not what is remembered of it.
func TestFsckRemembersNothing(t *testing.T) {
	t.Parallel()
	fake, m := drivertest.NewFake(t), newMemory()
	node, config := remembering(fake, m), content(1, 100<<10)
	must(t, pushWhole(t.Context(), node.Repository(repoName), config))
	must(t, pushManifest(t.Context(), node.Repository(repoName), image("", config), "a"))
	tagOf(t, node.Repository(repoName), "a")
	before, facts := node.CacheStats(), len(m.facts)
	_, err := node.Fsck(t.Context(), storage.FsckOptions{Deep: true})
	must(t, err)
	if after := node.CacheStats(); after.Hits["pointer"] != before.Hits["pointer"] || after.Misses["pointer"] != before.Misses["pointer"] || len(m.facts) != facts {
		t.Errorf("it asked what is remembered: %+v, before %+v; %d facts, before %d", after, before, len(m.facts), facts)
	}
}
