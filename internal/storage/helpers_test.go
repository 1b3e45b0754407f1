package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

const (
	repoName = reference.Name("some/repo")
	ociType  = "application/vnd.oci.image.manifest.v1+json"
)

func repository(d drivers.Driver) *storage.Repository {
	return storage.New(d, storage.Options{}).Repository(repoName)
}

// content gives bytes that follow from seed.
func content(seed uint64, size int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, size)
	_, _ = r.Read(b)
	return b
}

// pushWhole pushes a blob with its closing PUT, as containerd does.
func pushWhole(ctx context.Context, repo *storage.Repository, blob []byte) error {
	up, err := repo.NewUpload(digest.SHA256)
	if err != nil {
		return err
	}
	_, _, err = repo.Commit(ctx, up, digest.FromBytes(blob), storage.WholeBody(bytes.NewReader(blob)))
	return err
}

// pushPieces pushes a blob in PATCHes of a size, as docker does with one.
func pushPieces(ctx context.Context, repo *storage.Repository, blob []byte, piece int) error {
	up, err := repo.NewUpload(digest.SHA256)
	if err != nil {
		return err
	}
	for rest := blob; len(rest) > 0; {
		n := min(piece, len(rest))
		if up, err = repo.Append(ctx, up, storage.WholeBody(bytes.NewReader(rest[:n]))); err != nil {
			return err
		}
		rest = rest[n:]
	}
	_, _, err = repo.Commit(ctx, up, digest.FromBytes(blob), storage.WholeBody(nil))
	return err
}

func readBlob(ctx context.Context, repo *storage.Repository, d digest.Digest) ([]byte, error) {
	blob, err := repo.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(blob)
}

// image is a manifest over blobs; pad makes it different, or long.
func image(pad string, blobs ...[]byte) []byte {
	descriptor := func(mediaType string, b []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "digest": digest.FromBytes(b), "size": len(b)}
	}
	layers := []any{}
	for _, b := range blobs[1:] {
		layers = append(layers, descriptor("application/vnd.oci.image.layer.v1.tar", b))
	}
	m, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": ociType, "config": descriptor("application/vnd.oci.image.config.v1+json", blobs[0]), "layers": layers,
		"annotations": map[string]string{"pad": pad},
	})
	if err != nil {
		panic(err)
	}
	return m
}

func pushManifest(ctx context.Context, repo *storage.Repository, m []byte, tags ...reference.Tag) error {
	_, err := repo.PutManifest(ctx, storage.Push{Tags: tags, MediaType: ociType, Content: m})
	return err
}

func tagOf(t testing.TB, repo *storage.Repository, tag reference.Tag) digest.Digest {
	t.Helper()
	m, err := repo.Manifest(t.Context(), reference.Reference{Tag: tag})
	if storage.CodeOf(err) == storage.ManifestUnknown && err != nil {
		return ""
	}
	must(t, err)
	if got := m.Digest.Algorithm().FromBytes(m.Content); got != m.Digest {
		t.Fatalf("tag %s serves %s under the digest %s", tag, got, m.Digest)
	}
	return m.Digest
}

func has(t testing.TB, repo *storage.Repository, d digest.Digest) bool {
	t.Helper()
	_, err := repo.Manifest(t.Context(), reference.Reference{Digest: d})
	if storage.CodeOf(err) == storage.ManifestUnknown && err != nil {
		return false
	}
	must(t, err)
	return true
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sound runs a deep fsck and fails on damage.
func sound(t testing.TB, d drivers.Driver) storage.FsckSummary {
	t.Helper()
	var all []storage.Finding
	s, err := storage.New(d, storage.Options{}).Fsck(t.Context(), storage.FsckOptions{Deep: true, Finding: func(f storage.Finding) { all = append(all, f) }})
	must(t, err)
	if s.Damage > 0 {
		for _, f := range all {
			t.Error(f.Severity, f.Key, f.Message)
		}
	}
	return s
}

func name(i int) string { return fmt.Sprintf("%03d", i) }
