package storage_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// isData says whether an object holds the bytes of a blob, CNCF Distribution's too.
func isData(key string) bool {
	return strings.Contains(key, "/data/") || strings.HasSuffix(key, "/data")
}

// restored is a store that was put together from a copy of another one: each object as change gives it, none where that is nil.
func restored(t *testing.T, from *drivertest.Fake, change func(key string, content []byte) []byte) *drivertest.Fake {
	t.Helper()
	to := drivertest.NewFake(t)
	for _, key := range from.Keys() {
		body, _, err := from.Open(t.Context(), key, 0, -1)
		must(t, err)
		content, err := io.ReadAll(body)
		must(t, errors.Join(err, body.Close()))
		if content = change(key, content); content != nil {
			_, err = to.Put(t.Context(), key, bytes.NewReader(content), drivers.Cond{})
			must(t, err)
		}
	}
	return to
}

// without loses all data.
func without(key string, content []byte) []byte {
	if isData(key) {
		return nil
	}
	return content
}

// with gives all data other bytes.
func with(other []byte) func(string, []byte) []byte {
	return func(key string, content []byte) []byte {
		if isData(key) {
			return other
		}
		return content
	}
}

// Whoever pushes a blob whose bytes were lost, or are others, mends it: what came is not dropped in favour of what nobody has looked at.
func TestPushMendsWhatWasLost(t *testing.T) {
	t.Parallel()
	config := content(3, 10)
	blob, long := content(1, mib), image(strings.Repeat("x", 100<<10), config)
	d := digest.FromBytes(blob)
	whole := func(r *storage.Repository) error { return pushWhole(t.Context(), r, blob) }
	pieces := func(r *storage.Repository) error { return pushPieces(t.Context(), r, blob, 300<<10) }
	tagged := func(r *storage.Repository) error {
		return errors.Join(pushWhole(t.Context(), r, config), pushManifest(t.Context(), r, long, "a"))
	}
	bare := func(r *storage.Repository) error {
		return errors.Join(pushWhole(t.Context(), r, config), pushManifest(t.Context(), r, long))
	}
	inline := func(r *storage.Repository) error { return pushWhole(t.Context(), r, config) }
	for _, c := range []struct {
		name  string
		first func(*storage.Repository) error
		lose  func(string, []byte) []byte
		field string // of the pointer
		value any
		again func(*storage.Repository) error
	}{
		{"a blob, whole", whole, without, "", nil, whole},
		{"a blob, in pieces", whole, without, "", nil, pieces},
		{"a blob that was cut short", whole, with(blob[:100]), "", nil, whole},
		{"a blob that was condemned", whole, without, "state", "condemned", whole},
		{"a blob of another size", whole, with(blob), "size", 5, whole},
		{"a long manifest, by its tag", tagged, without, "", nil, tagged},
		{"a long manifest, by its digest", bare, without, "", nil, bare},
		{"bytes inline", inline, with(nil), "inline", blob[:10], inline},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			whole := drivertest.NewFake(t)
			must(t, c.first(repository(whole)))
			fake := restored(t, whole, c.lose)
			remembers := storage.New(fake, storage.Options{CacheBytes: 1 << 20}).Repository(repoName)
			_, _ = remembers.StatBlob(t.Context(), d)
			if c.field != "" {
				for _, key := range fake.Keys() {
					if strings.HasSuffix(key, "/pointer") {
						rewrite(t, fake, key, c.field, c.value)
					}
				}
			}
			must(t, c.again(repository(fake)))
			if s := sound(t, fake); s.Blobs == 0 || s.Damage > 0 {
				t.Errorf("fsck says %+v", s)
			}
			if has(t, remembers, digest.FromBytes(long)) {
				return
			}
			want := config
			if isThere(t, remembers, d) {
				want = blob
			}
			got, err := readBlob(t.Context(), remembers, digest.FromBytes(want))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("a node that remembers where it was: %v", err)
			}
		})
	}
}

func isThere(t *testing.T, repo *storage.Repository, d digest.Digest) bool {
	t.Helper()
	_, err := repo.StatBlob(t.Context(), d)
	if err != nil && storage.CodeOf(err) != storage.BlobUnknown {
		t.Fatal(err)
	}
	return err == nil
}

// So does the push of what CNCF Distribution wrote, and lost after it was brought over.
func TestPushMendsWhatDistributionWrote(t *testing.T) {
	t.Parallel()
	old := drivertest.NewFake(t)
	config, layer := content(1, 10), content(2, mib)
	asDistribution(t, old, image("old", config, layer), [][]byte{config, layer}, "a")
	_, err := prepared(t, old).Import(t.Context(), storage.ImportOptions{})
	must(t, err)
	fake := restored(t, old, without)
	for _, blob := range [][]byte{config, layer} {
		must(t, pushWhole(t.Context(), repository(fake), blob))
		got, err := readBlob(t.Context(), repository(fake), digest.FromBytes(blob))
		if err != nil || !bytes.Equal(got, blob) {
			t.Errorf("it is not mended: %v", err)
		}
	}
	sound(t, fake)
}

// To look for the bytes costs one request, where there are some, and none where there are not.
func TestPushLooksOnce(t *testing.T) {
	t.Parallel()
	fake, small, blob := drivertest.NewFake(t), content(2, 100), content(1, mib)
	for _, c := range []struct {
		name  string
		blob  []byte
		stats int
	}{{"new", blob, 0}, {"there", blob, 1}, {"small", small, 0}, {"small and there", small, 0}} {
		fake.ResetCounts()
		must(t, pushWhole(t.Context(), repository(fake), c.blob))
		if n := fake.Counts()[drivertest.OpStat]; n != c.stats {
			t.Errorf("a blob that is %s is looked for %d times, want %d", c.name, n, c.stats)
		}
	}
	m := image(strings.Repeat("x", 100<<10), small)
	for i, stats := range []int{0, 1} {
		fake.ResetCounts()
		must(t, pushManifest(t.Context(), repository(fake), m, "a"))
		if n := fake.Counts()[drivertest.OpStat]; n != stats {
			t.Errorf("push %d of a long manifest looked %d times, want %d", i, n, stats)
		}
	}
}

// fsck names what lacks its bytes, and who needs it. With Repair, nobody finds it any more, so that clients push it; and it is back when its bytes are.
func TestRepair(t *testing.T) {
	t.Parallel()
	config, layer, other := content(1, 10), content(2, mib), content(3, mib)
	m := image("x", config, layer)
	d := digest.FromBytes(layer)
	fsck := func(t *testing.T, d drivers.Driver, opts storage.FsckOptions) (s storage.FsckSummary, found string) {
		opts.Finding = func(f storage.Finding) { found += string(f.Severity) + " " + f.Key + " " + f.Message + "\n" }
		s, err := storage.New(d, storage.Options{}).Fsck(t.Context(), opts)
		must(t, err)
		return s, found
	}
	for _, c := range []struct {
		name string
		lose func(string, []byte) []byte
		deep bool
	}{
		{"missing", without, false},
		{"other bytes", with(other), true},
		{"fewer bytes", with(other[:10]), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			whole := drivertest.NewFake(t)
			repo := repository(whole)
			must(t, pushWhole(t.Context(), repo, config))
			must(t, pushWhole(t.Context(), repo, layer))
			must(t, pushManifest(t.Context(), repo, m, "a"))
			store := restored(t, whole, c.lose)
			keys := len(store.Keys())

			for run, repair := range []bool{false, true, false, true} {
				s, found := fsck(t, store, storage.FsckOptions{Deep: c.deep, Repair: repair})
				for _, part := range []string{"/some/repo/_layers/sha256/" + d.Encoded() + "/link", "/some/repo/_manifests/revisions/sha256/" + digest.FromBytes(m).Encoded() + "/link"} {
					if !strings.Contains(found, part) {
						t.Errorf("run %d does not name %s:\n%s", run, part, found)
					}
				}
				if named := strings.Contains(found, "damage "+pointerKey(d)); named != (run < 2) || s.Damage == 0 || (s.Repaired == 1) != (run == 1) {
					t.Errorf("run %d: %+v\n%s", run, s, found)
				}
				_, err := repository(store).StatBlob(t.Context(), d)
				if gone := storage.CodeOf(err) == storage.BlobUnknown && err != nil; gone != (run > 0) {
					t.Errorf("after run %d a HEAD gives %v", run, err)
				}
			}
			if len(store.Keys()) != keys {
				t.Error("something was removed")
			}
			if err := pushManifest(t.Context(), repository(store), m, "a"); storage.CodeOf(err) != storage.ManifestBlobUnknown {
				t.Errorf("a manifest is taken without its blob: %v", err)
			}
			must(t, pushWhole(t.Context(), repository(store), layer))
			must(t, pushManifest(t.Context(), repository(store), m, "a"))
			got, err := readBlob(t.Context(), repository(store), d)
			if err != nil || !bytes.Equal(got, layer) {
				t.Errorf("it is not mended: %v", err)
			}
			if s, found := fsck(t, store, storage.FsckOptions{Deep: true, Repair: true}); s.Damage > 0 || s.Repaired > 0 {
				t.Errorf("left: %s", found)
			}
		})
	}
}

// A backup whose rest comes after fsck --repair is whole again, and pushes meanwhile stand.
func TestRepairTakesBack(t *testing.T) {
	t.Parallel()
	whole := drivertest.NewFake(t)
	first, second, third := content(1, mib), content(2, mib), content(3, mib)
	for _, blob := range [][]byte{first, second, third} {
		must(t, pushWhole(t.Context(), repository(whole), blob))
	}
	fake := restored(t, whole, without)
	run := func(repair bool) storage.FsckSummary {
		s, err := storage.New(fake, storage.Options{}).Fsck(t.Context(), storage.FsckOptions{Repair: repair})
		must(t, err)
		return s
	}
	if s := run(true); s.Repaired != 3 || s.Damage != 6 {
		t.Errorf("got %+v", s)
	}
	must(t, pushWhole(t.Context(), repository(fake), second))
	restored(t, whole, func(key string, content []byte) []byte {
		if isData(key) {
			if bytes.Equal(content, third) {
				content = bytes.Repeat([]byte{1}, mib) // as long, but others
			}
			_, err := fake.Put(t.Context(), key, bytes.NewReader(content), drivers.Cond{})
			must(t, err)
		}
		return nil
	})
	if s := run(false); s.Damage != 2 || s.Repaired != 0 {
		t.Errorf("without Repair: %+v", s)
	}
	if s := run(true); s.Repaired != 1 || s.Damage != 1 {
		t.Errorf("got %+v", s)
	}
	for _, blob := range [][]byte{first, second} {
		if got, err := readBlob(t.Context(), repository(fake), digest.FromBytes(blob)); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("a blob is not served: %v", err)
		}
	}
	if isThere(t, repository(fake), digest.FromBytes(third)) {
		t.Error("a blob is served whose bytes are others")
	}
}
