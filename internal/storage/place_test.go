package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

func pointerKey(d digest.Digest) string {
	return storage.DefaultRoot + "/blobs/sha256/" + d.Encoded()[:2] + "/" + d.Encoded() + "/pointer"
}

// rewrite changes one field of a pointer, as the collector does, and gives the id of the data that it named.
func rewrite(t testing.TB, d drivers.Driver, key, field string, value any) (data string) {
	t.Helper()
	body, info, err := d.Open(t.Context(), key, 0, -1)
	must(t, err)
	defer body.Close()
	content, err := io.ReadAll(body)
	must(t, err)
	var record map[string]any
	must(t, json.Unmarshal(content, &record))
	data, _ = record["data"].(string)
	record[field], record["nonce"] = value, data+field
	content, err = json.Marshal(record)
	must(t, err)
	_, err = d.Put(t.Context(), key, bytes.NewReader(content), drivers.Cond{IfMatch: info.ETag})
	must(t, err)
	return data
}

// collect takes the bytes of a blob away, as the collector does with what nobody links to.
func collect(t testing.TB, fake *drivertest.Fake, d digest.Digest) {
	t.Helper()
	data := rewrite(t, fake, pointerKey(d), "state", "deleting")
	for _, key := range fake.Keys() {
		if strings.HasSuffix(key, "/"+data) {
			must(t, fake.Delete(t.Context(), key))
			return
		}
	}
	t.Fatalf("there is no data %q", data)
}

// redirecting is a store that clients can fetch from.
type redirecting struct{ drivers.Driver }

func (redirecting) RedirectURL(_ context.Context, key string) (string, error) { return key, nil }

// Data that is gone under a remembered pointer is looked for anew, once, and found where it was pushed again.
func TestVanishedData(t *testing.T) {
	t.Parallel()
	config := content(3, 10)
	blob, long := content(1, 100<<10), image(strings.Repeat("x", 100<<10), config)
	for _, c := range []struct {
		name  string
		d     digest.Digest
		again bool // it was pushed again
		read  func(*storage.Repository) ([]byte, error)
		code  storage.Code // where it was not
	}{
		{"a blob", digest.FromBytes(blob), true, func(r *storage.Repository) ([]byte, error) { return readBlob(t.Context(), r, digest.FromBytes(blob)) }, 0},
		{"a blob that is gone", digest.FromBytes(blob), false, func(r *storage.Repository) ([]byte, error) {
			return readBlob(t.Context(), r, digest.FromBytes(blob))
		}, storage.BlobUnknown},
		{"a manifest", digest.FromBytes(long), true, func(r *storage.Repository) ([]byte, error) {
			m, err := r.Manifest(t.Context(), reference.Reference{Tag: "a"})
			if err != nil {
				return nil, err
			}
			return m.Content, nil
		}, 0},
		{"a manifest that is gone", digest.FromBytes(long), false, func(r *storage.Repository) ([]byte, error) {
			m, err := r.Manifest(t.Context(), reference.Reference{Tag: "a"})
			if err != nil {
				return nil, err
			}
			return m.Content, nil
		}, storage.ManifestUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := drivertest.NewFake(t)
			node := storage.New(fake, storage.Options{CacheBytes: 50 << 10}).Repository(repoName) // too few for the long manifest itself
			push := func() {
				must(t, pushWhole(t.Context(), repository(fake), config))
				must(t, pushWhole(t.Context(), repository(fake), blob))
				must(t, pushManifest(t.Context(), repository(fake), long, "a"))
			}
			push()
			want, err := c.read(node)
			must(t, err)
			collect(t, fake, c.d)
			if c.again {
				push()
			}
			fake.ResetCounts()
			got, err := c.read(node)
			if c.again && (err != nil || !bytes.Equal(got, want)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if !c.again && (err == nil || storage.CodeOf(err) != c.code) {
				t.Errorf("it was served, or failed with %v", err)
			}
			if n := fake.Counts()[drivertest.OpOpen]; n > 4 {
				t.Errorf("it took %d reads, more than link or tag, data, pointer, data", n)
			}
			fake.AssertClosed(t)
		})
	}
}

// Where the data is damaged and not moved, the failure is told, and nobody looks for ever.
func TestLostData(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	node, blob := storage.New(fake, storage.Options{CacheBytes: 1 << 20}).Repository(repoName), content(1, 100<<10)
	must(t, pushWhole(t.Context(), node, blob))
	for _, key := range fake.Keys() {
		if strings.Contains(key, "/data/") {
			must(t, fake.Delete(t.Context(), key))
		}
	}
	if _, err := readBlob(t.Context(), node, digest.FromBytes(blob)); err == nil || storage.CodeOf(err) != storage.Internal {
		t.Errorf("got %v", err)
	}
}

// A client is not sent to data that may be gone: after an hour the pointer is read again.
func TestRedirectOfRememberedBlob(t *testing.T) {
	t.Parallel()
	fake, now := drivertest.NewFake(t), time.Now()
	node := storage.New(redirecting{fake}, storage.Options{CacheBytes: 1 << 20, Now: func() time.Time { return now }}).Repository(repoName)
	blob := content(1, 100<<10)
	d := digest.FromBytes(blob)
	must(t, pushWhole(t.Context(), node, blob))
	url := func() string {
		b, err := node.OpenBlob(t.Context(), d)
		must(t, err)
		defer b.Close()
		url, err := b.RedirectURL(t.Context())
		must(t, err)
		return url
	}
	first := url()
	collect(t, fake, d)
	must(t, pushWhole(t.Context(), repository(fake), blob))
	now = now.Add(59 * time.Minute)
	fake.ResetCounts()
	if got := url(); got != first || fake.Counts()[drivertest.OpOpen] != 1 {
		t.Errorf("within the hour: %q, %v", got, fake.Counts())
	}
	now = now.Add(2 * time.Minute)
	if got := url(); got == first {
		t.Error("after an hour the client is sent to what is gone")
	}
}

// Who needs a blob to stay believes for an hour that it is live, by both clocks, and looks then. Whoever only reads need not look.
func TestRememberedPointerIsRevived(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	d := digest.FromBytes(config)
	for what, need := range map[string]func(*storage.Repository) error{
		"describe": func(r *storage.Repository) error { _, err := r.StatBlob(t.Context(), d); return err },
		"mount":    func(r *storage.Repository) error { _, err := r.MountBlob(t.Context(), d, repoName); return err },
		"push":     func(r *storage.Repository) error { return pushManifest(t.Context(), r, image("", config)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			fake, now := drivertest.NewFake(t), time.Now()
			node := storage.New(fake, storage.Options{CacheBytes: 1 << 20, Now: func() time.Time { return now }}).Repository(repoName)
			must(t, pushWhole(t.Context(), node, config))
			rewrite(t, fake, pointerKey(d), "state", "condemned")
			etag := func() string {
				info, err := fake.Stat(t.Context(), pointerKey(d))
				must(t, err)
				return info.ETag
			}
			condemned := etag()
			now = now.Add(59 * time.Minute)
			must(t, need(node))
			if etag() != condemned {
				t.Error("within the hour the pointer was written")
			}
			now = now.Add(2 * time.Minute)
			_, err := readBlob(t.Context(), node, d)
			must(t, err)
			if etag() != condemned {
				t.Error("a reader wrote the pointer")
			}
			must(t, need(node))
			if etag() == condemned {
				t.Error("after an hour the pointer was left condemned")
			}
		})
	}
}
