//go:build stores

package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"hash"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/teststore"
)

// TestPartsLargerThanTheirShare: late in an upload, parts are planned larger than what one upload may hold in memory. They are put together from tails.
func TestPartsLargerThanTheirShare(t *testing.T) {
	t.Parallel()
	store := teststore.MinIO(t)
	d, err := Open(t.Context(), Config{
		Bucket: store.Bucket, Region: teststore.Region, RegionEndpoint: store.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey, ChunkSize: minPart, Memory: 2 * minPart,
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	content := make([]byte, 38<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(content)

	// An upload whose last part has a high number, as it has after many gigabytes.
	const number = 5400
	first := &appender{Driver: d, ctx: t.Context(), fresh: "data/late"}
	if err := first.create(); err != nil {
		t.Fatal(err)
	}
	head := &body{ctx: t.Context(), driver: d, blocks: [][]byte{}, size: minPart}
	for off := 0; off < minPart; off += blockSize {
		head.blocks = append(head.blocks, content[off:off+blockSize])
	}
	etag, err := d.uploadPart(t.Context(), first.key, first.state.Upload, number, head)
	if err != nil {
		t.Fatal(err)
	}
	first.state.Parts = []part{{Number: number, Size: minPart, ETag: etag}}
	src := &hashing{Reader: bytes.NewReader(content[minPart:]), hash: sha256.New()}
	s, err := d.Append(t.Context(), drivers.Session{Key: first.key, Offset: minPart, State: first.state.encode(first.key)}, "data/next", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := decode(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range st.Parts[1:] {
		if p.Size < 2*minPart && p.Number != st.last() {
			t.Errorf("part %d has only %d bytes", p.Number, p.Size)
		}
	}
	if _, err := d.Commit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got, _, err := d.Open(context.WithoutCancel(t.Context()), s.Key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if same, err := equal(got, bytes.NewReader(content)); err != nil || !same {
		t.Errorf("the object has other bytes: %v", err)
	}
}

type hashing struct {
	io.Reader
	hash hash.Hash
}

func (h *hashing) Mark() ([]byte, error) { return h.hash.(encoding.BinaryMarshaler).MarshalBinary() }
