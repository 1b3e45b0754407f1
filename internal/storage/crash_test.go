package storage_test

import (
	"bytes"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// The process dies at each call of the store in turn, before it happens or after. What was acknowledged is there afterwards, nothing is damaged, and the
// same request by another process succeeds.
func TestCrash(t *testing.T) {
	t.Parallel()
	small, large := content(1, 1000), content(2, 200<<10)
	config, layer := content(3, 100), content(4, 100<<10)
	first, second := image("1", config, layer), image("2", config, layer)
	referrer := bytes.Replace(image("3", config), []byte(`"annotations"`),
		[]byte(`"subject":{"mediaType":"`+ociType+`","digest":"`+digest.FromBytes(first).String()+`","size":7},"annotations"`), 1)
	long := image(string(bytes.Repeat([]byte("x"), 100<<10)), config, layer)
	none := func(*testing.T, *storage.Repository) {}
	withBlobs := func(t *testing.T, r *storage.Repository) {
		must(t, pushWhole(t.Context(), r, config))
		must(t, pushPieces(t.Context(), r, layer, 64<<10))
	}
	withImage := func(t *testing.T, r *storage.Repository) {
		withBlobs(t, r)
		must(t, pushManifest(t.Context(), r, first, "v1", "v2"))
	}
	blobIs := func(blob []byte) func(*testing.T, *storage.Repository) bool {
		return func(t *testing.T, r *storage.Repository) bool {
			got, err := readBlob(t.Context(), r, digest.FromBytes(blob))
			if storage.CodeOf(err) == storage.BlobUnknown && err != nil {
				return false
			}
			must(t, err)
			return bytes.Equal(got, blob)
		}
	}
	tagIs := func(tag reference.Tag, m []byte) func(*testing.T, *storage.Repository) bool {
		return func(t *testing.T, r *storage.Repository) bool {
			return tagOf(t, r, tag) == digest.FromBytes(m) && has(t, r, digest.FromBytes(m))
		}
	}
	for _, c := range []struct {
		name   string
		before func(*testing.T, *storage.Repository)
		act    func(*testing.T, *storage.Repository) error
		done   func(*testing.T, *storage.Repository) bool
		again  storage.Code // what a repetition may answer instead of success
	}{
		{"small blob", none, func(t *testing.T, r *storage.Repository) error { return pushWhole(t.Context(), r, small) }, blobIs(small), 0},
		{"large blob", none, func(t *testing.T, r *storage.Repository) error { return pushWhole(t.Context(), r, large) }, blobIs(large), 0},
		{"blob in pieces", none, func(t *testing.T, r *storage.Repository) error { return pushPieces(t.Context(), r, large, 70<<10) }, blobIs(large), 0},
		{"blob that is there", withBlobs, func(t *testing.T, r *storage.Repository) error { return pushWhole(t.Context(), r, layer) }, blobIs(layer), 0},
		{"blob that was deleted", func(t *testing.T, r *storage.Repository) {
			withBlobs(t, r)
			must(t, r.DeleteBlob(t.Context(), digest.FromBytes(layer)))
		}, func(t *testing.T, r *storage.Repository) error { return pushWhole(t.Context(), r, layer) }, blobIs(layer), 0},
		{"new tag", withBlobs, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, first, "v1") }, tagIs("v1", first), 0},
		{"moved tag", withImage, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, second, "v1") }, tagIs("v1", second), 0},
		{"same push again", withImage, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, first, "v1") }, tagIs("v1", first), 0},
		{"long manifest", withBlobs, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, long, "v1") }, tagIs("v1", long), 0},
		{"push after delete", func(t *testing.T, r *storage.Repository) {
			withImage(t, r)
			must(t, r.DeleteManifest(t.Context(), digest.FromBytes(first), nil))
		}, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, first, "v1") }, tagIs("v1", first), 0},
		{"referrer", withImage, func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, referrer) },
			func(t *testing.T, r *storage.Repository) bool {
				list, _, err := r.Referrers(t.Context(), digest.FromBytes(first), "", "")
				must(t, err)
				if len(list) == 1 && !has(t, r, list[0].Digest) {
					t.Error("a referrer is listed that cannot be pulled")
				}
				return len(list) == 1
			}, 0},
		{"delete a manifest", withImage, func(t *testing.T, r *storage.Repository) error {
			return r.DeleteManifest(t.Context(), digest.FromBytes(first), nil)
		},
			func(t *testing.T, r *storage.Repository) bool {
				return !has(t, r, digest.FromBytes(first)) && tagOf(t, r, "v1") == "" && tagOf(t, r, "v2") == ""
			}, storage.ManifestUnknown},
		{"delete a tag", withImage, func(t *testing.T, r *storage.Repository) error { return r.DeleteTag(t.Context(), "v1", nil) },
			func(t *testing.T, r *storage.Repository) bool {
				return tagOf(t, r, "v1") == "" && tagOf(t, r, "v2") != ""
			}, storage.ManifestUnknown},
		{"delete a blob", withBlobs, func(t *testing.T, r *storage.Repository) error {
			return r.DeleteBlob(t.Context(), digest.FromBytes(layer))
		},
			func(t *testing.T, r *storage.Repository) bool { return !blobIs(layer)(t, r) }, storage.BlobUnknown},
		{"mount", func(t *testing.T, r *storage.Repository) {}, func(t *testing.T, r *storage.Repository) error {
			_, err := r.MountBlob(t.Context(), digest.FromBytes(layer), "other/repo")
			return err
		}, blobIs(layer), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var acked bool
			open := func(t *testing.T) drivers.Driver {
				d := drivertest.NewFake(t)
				must(t, pushWhole(t.Context(), storage.New(d, storage.Options{}).Repository("other/repo"), layer))
				c.before(t, repository(d))
				return d
			}
			act := func(t *testing.T, d drivers.Driver) { acked = c.act(t, repository(d)) == nil }
			check := func(t *testing.T, d drivers.Driver, at drivertest.Call) {
				if acked && !c.done(t, repository(d)) {
					t.Errorf("died in %v: what was acknowledged is not there", at)
				}
				sound(t, d)
				if err := c.act(t, repository(d)); err != nil && (c.again == 0 || storage.CodeOf(err) != c.again) {
					t.Errorf("died in %v: the repetition failed: %v", at, err)
				}
				if !c.done(t, repository(d)) {
					t.Errorf("died in %v: the repetition did not help", at)
				}
				if s := sound(t, d); s.Blobs == 0 {
					t.Error("fsck saw no blob")
				}
			}
			drivertest.EachCrash(t, open, act, check)
		})
	}
}
