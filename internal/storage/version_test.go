package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// later is a record of a later release, which has another form and nothing where this one looks.
const later = `{"v":2,"nonce":7,"digest":{"is":"elsewhere"},"state":[],"session":"another","until":"soon","action":1,"id":[],"entries":7,"stage":"x"}`

// world is a store that holds one record of each kind.
type world struct {
	fake     *drivertest.Fake
	layer    []byte
	manifest []byte
	referrer []byte
	up       storage.Upload // under way, with a checkpoint that its token leaves everything to
}

func (w *world) registry() *storage.Registry {
	return storage.New(w.fake, storage.Options{Rules: manifest.Rules{TarSums: true}})
}
func (w *world) repo() *storage.Repository { return w.registry().Repository(repoName) }
func (w *world) subject() digest.Digest    { return digest.FromBytes(w.manifest) }

const (
	endpoint = "hook"
	entryID  = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	tarSum   = reference.TarSum("tarsum.v1+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fake: drivertest.NewFake(t).AllowOverwrite(), layer: content(1, 100<<10)}
	must(t, w.registry().Prepare(t.Context()))
	must(t, pushWhole(t.Context(), w.repo(), w.layer))
	w.manifest = image("", w.layer)
	must(t, pushManifest(t.Context(), w.repo(), w.manifest, "a"))
	w.referrer = bytes.Replace(image("of it", w.layer), []byte(`{"annotations"`),
		[]byte(`{"subject":{"mediaType":"`+ociType+`","digest":"`+w.subject().String()+`","size":1},"annotations"`), 1)
	must(t, pushManifest(t.Context(), w.repo(), w.referrer))

	up, err := w.repo().NewUpload(digest.SHA256)
	must(t, err)
	if up, err = w.repo().Append(t.Context(), up, storage.WholeBody(&broken{bytes.NewReader(w.layer)})); err == nil {
		t.Fatal("a body that was cut off was taken")
	}
	w.up, err = storage.ResumeUpload(up.ID, up.Seq, up.Started, up.Offset, up.State(0))
	must(t, err)
	must(t, w.registry().WithLease(t.Context(), "job", time.Minute, func(context.Context) error { return nil }))
	must(t, w.registry().NodeRecord("node").Put(t.Context(), note("x")))
	must(t, w.registry().PutDead(t.Context(), endpoint, storage.DeadEvent{ID: entryID, Reason: "x"}))
	for _, made := range []struct{ key, content string }{
		{"journal/" + entryID, `{"v":1,"nonce":"n","action":"delete","repository":"some/repo","tags":["gone"]}`},
		{"repositories/some/repo/_layers/tarsum/v1/sha256/" + tarSum.Encoded() + "/link", `{"v":1,"nonce":"n","digest":"` + digest.FromBytes(w.layer).String() + `"}`},
	} {
		_, err := w.fake.Put(t.Context(), storage.DefaultRoot+"/"+made.key, strings.NewReader(made.content), drivers.Cond{IfAbsent: true})
		must(t, err)
	}
	return w
}

// read gives what stands at a key; nil for nothing.
func (w *world) read(t *testing.T, key string) []byte {
	t.Helper()
	r, _, err := w.fake.Open(t.Context(), key, 0, -1)
	if errors.Is(err, drivers.ErrNotFound) {
		return nil
	}
	must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return b
}

// everything does all that touches records, a day later too, whatever comes of it.
func (w *world) everything(ctx context.Context) {
	for _, off := range []time.Duration{0, 26 * time.Hour} {
		r := at(w.fake, off)
		repo := r.Repository(repoName)
		_ = r.Prepare(ctx)
		_ = pushManifest(ctx, repo, w.manifest, "a")
		_ = pushManifest(ctx, repo, w.referrer)
		_ = pushManifest(ctx, repo, image("other", w.layer), "a")
		_ = pushWhole(ctx, repo, w.layer)
		_, _ = repo.MountBlob(ctx, digest.FromBytes(w.layer), "")
		_, _ = repo.UploadStatus(ctx, w.up)
		_, _ = repo.Append(ctx, w.up, storage.WholeBody(strings.NewReader("more")))
		_, _, _ = repo.Commit(ctx, w.up, digest.FromBytes(w.layer), storage.WholeBody(nil))
		_ = repo.CancelUpload(ctx, w.up)
		_ = repo.DeleteTag(ctx, "a", nil)
		_ = repo.DeleteManifest(ctx, w.subject(), nil)
		_ = repo.DeleteBlob(ctx, digest.FromBytes(w.layer))
		if e, err := r.Entry(ctx, entryID); err == nil && e != nil {
			_, _ = r.Outcome(ctx, e)
		}
		_ = r.WithLease(ctx, "job", time.Minute, func(context.Context) error { return nil })
		_, _ = r.NodeNotes(ctx, time.Hour)
		_, _ = r.NewJanitor().Run(ctx, storage.JanitorOptions{})
		_, _ = r.Fsck(ctx, storage.FsckOptions{Deep: true, Prune: true})
	}
}

// records are the kinds of records that have a version, by what their keys hold, and how each is read. Marks, leaves of the catalog and data have none: what
// they say is that they are there, or what their digest says.
var records = []struct {
	name, key string
	read      func(context.Context, *world) error
	hides     bool // it is passed over where many are read, so that one does not keep people from all others
}{
	{name: "pointer", key: "/blobs/", read: func(ctx context.Context, w *world) error {
		_, err := readBlob(ctx, w.repo(), digest.FromBytes(w.layer))
		return err
	}},
	{name: "link of a blob", key: "/_layers/sha256/", read: func(ctx context.Context, w *world) error {
		_, err := w.repo().StatBlob(ctx, digest.FromBytes(w.layer))
		return err
	}},
	{name: "TarSum", key: "/_layers/tarsum/", read: func(ctx context.Context, w *world) error {
		_, err := w.repo().TarSum(ctx, tarSum)
		return err
	}},
	{name: "link of a manifest", key: "/revisions/", read: func(ctx context.Context, w *world) error {
		_, err := w.repo().Manifest(ctx, reference.Reference{Digest: w.subject()})
		return err
	}},
	{name: "tag", key: "/_tags/", read: func(ctx context.Context, w *world) error {
		_, err := w.repo().Manifest(ctx, reference.Reference{Tag: "a"})
		return err
	}},
	{name: "referrer", key: "/referrers/", hides: true, read: func(ctx context.Context, w *world) error {
		list, _, err := w.repo().Referrers(ctx, w.subject(), "", "")
		if err == nil && len(list) > 0 {
			err = errors.New("it is listed")
		}
		return err
	}},
	{name: "checkpoint", key: "/_uploads/", read: func(ctx context.Context, w *world) error {
		_, err := w.repo().UploadStatus(ctx, w.up)
		return err
	}},
	{name: "journal", key: "/journal/", read: func(ctx context.Context, w *world) error {
		_, err := w.registry().Entry(ctx, entryID)
		return err
	}},
	{name: "dead event", key: "/dead/", read: func(ctx context.Context, w *world) error {
		_, err := w.registry().DeadEvent(ctx, endpoint, entryID)
		return err
	}},
	{name: "format of the store", key: "/meta/format", read: func(ctx context.Context, w *world) error { return w.registry().Prepare(ctx) }},
	{name: "lease", key: "/meta/leases/job", read: func(ctx context.Context, w *world) error {
		return w.registry().WithLease(ctx, "job", time.Minute, func(context.Context) error { return errors.New("it was taken") })
	}},
	{name: "node", key: "/meta/nodes/", hides: true, read: func(ctx context.Context, w *world) error {
		notes, err := w.registry().NodeNotes(ctx, time.Hour)
		if err == nil && (len(notes) != 1 || notes[0].Note != nil) {
			err = errors.New("its note is read")
		}
		return err
	}},
}

// TestLaterVersions: a record that a later release wrote is refused with an error that says so, and nothing ever writes over it or removes it. Notes of nodes
// are, after a day: they are about processes, not about what is stored.
func TestLaterVersions(t *testing.T) {
	t.Parallel()
	for _, kind := range records {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := kind.read(t.Context(), w); err != nil != (kind.name == "lease" || kind.hides) {
				t.Fatalf("of this release, it gives %v", err)
			}
			var spoiled []string
			for _, key := range w.fake.Keys() {
				if !strings.Contains(key, kind.key) || strings.HasSuffix(key, "/tags/a") {
					continue
				}
				_, err := w.fake.Put(t.Context(), key, strings.NewReader(later), drivers.Cond{})
				must(t, err)
				spoiled = append(spoiled, key)
			}
			if len(spoiled) == 0 {
				t.Fatal("there is no such record")
			}
			switch err := kind.read(t.Context(), w); {
			case kind.hides && err != nil:
				t.Error(err)
			case !kind.hides && (err == nil || !strings.Contains(err.Error(), "format version 2") || !strings.Contains(err.Error(), "later release")):
				t.Errorf("it gives %v", err)
			case !kind.hides && storage.CodeOf(err) != storage.Internal:
				t.Errorf("a client would be told that it is %v", storage.CodeOf(err))
			}
			if kind.name == "node" {
				return
			}
			w.everything(t.Context())
			for _, key := range spoiled {
				if got := w.read(t, key); string(got) != later {
					t.Errorf("at %s stands %q", key, got)
				}
			}
		})
	}
}

// TestVersionsAreWritten: each record says its version, so that a later release can tell.
func TestVersionsAreWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, key := range w.fake.Keys() {
		if strings.Contains(key, "/data/") {
			continue
		}
		var head struct {
			Version int `json:"v"`
		}
		if err := json.Unmarshal(w.read(t, key), &head); err != nil || head.Version != 1 {
			t.Errorf("%s says version %d, %v: %s", key, head.Version, err, w.read(t, key))
		}
	}
}

// A token of a later release is none that this one knows.
func TestLaterState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	state := w.up.State(1000)
	state[0]++
	if _, err := storage.ResumeUpload(w.up.ID, w.up.Seq, w.up.Started, w.up.Offset, state); storage.CodeOf(err) != storage.BlobUploadUnknown || err == nil {
		t.Errorf("it gives %v", err)
	}
}
