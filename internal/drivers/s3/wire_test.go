//go:build stores

package s3_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// What the tests of this driver share: ways into the wire, and bytes.

type wire func(r *http.Request, next http.RoundTripper) (*http.Response, error)

// through makes a wire a transport around another.
func (w wire) through(next http.RoundTripper) http.RoundTripper { return bound{w, next} }

type bound struct {
	wire wire
	next http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) { return b.wire(r, b.next) }

// openWith opens a driver whose requests go over a wire, if it is not nil.
func openWith(t testing.TB, c s3.Config, w wire) *s3.Driver {
	t.Helper()
	opts := s3.Options{MaxBackoff: 5 * time.Millisecond, MemoryTimeout: 5 * time.Minute} // in memory for a few, tests wait for a store that may be slow
	if w != nil {
		opts.Transport = w.through
	}
	d, err := s3.Open(t.Context(), c, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// stores are those that the tests run on.
var stores = map[string]func(testing.TB) teststore.S3{"minio": teststore.MinIO, "versitygw": teststore.VersityGW}

// noise is a Source of so many bytes, the same ones for a seed, that looks at every byte it gives.
type noise struct {
	chacha *rand.ChaCha8
	left   int64
	max    int // bytes of a Read, at most; 0 for no limit
	pause  func()
}

func newNoise(seed uint64, n int64) *noise {
	return &noise{chacha: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}), left: n}
}

func (s *noise) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.pause != nil {
		s.pause()
	}
	if s.max > 0 {
		p = p[:min(len(p), s.max)]
	}
	n, _ := s.chacha.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, nil
}

func (s *noise) Mark() ([]byte, error) { return []byte("mark"), nil }

// piece is n bytes of a seed's noise.
type piece struct {
	seed uint64
	n    int64
}

// sum is the hash of pieces, one behind the other.
func sum(pieces ...piece) (hash [sha256.Size]byte, size int64) {
	h := sha256.New()
	for _, p := range pieces {
		_, _ = io.Copy(h, struct{ io.Reader }{newNoise(p.seed, p.n)})
		size += p.n
	}
	return [sha256.Size]byte(h.Sum(nil)), size
}

// isMadeOf fails unless the object at key is these pieces.
func isMadeOf(t *testing.T, d *s3.Driver, key string, pieces ...piece) {
	t.Helper()
	want, size := sum(pieces...)
	body, info, err := d.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	h := sha256.New()
	n, err := io.Copy(h, body)
	if err != nil {
		t.Fatal(err)
	}
	if got := [sha256.Size]byte(h.Sum(nil)); got != want || n != size || info.Size != size {
		t.Errorf("%s has %d bytes (it says %d), want %d; the bytes are right: %t", key, n, info.Size, size, got == want)
	}
}

// mustAppend appends a piece.
func mustAppend(t *testing.T, d *s3.Driver, s drivers.Session, fresh string, p piece) drivers.Session {
	t.Helper()
	next, err := d.Append(t.Context(), s, fresh, newNoise(p.seed, p.n), nil)
	if err != nil {
		t.Fatal(err)
	}
	if next.Offset != s.Offset+p.n {
		t.Fatalf("offset %d behind %d and %d bytes", next.Offset, s.Offset, p.n)
	}
	return next
}

func keyOf(kind string, i int) string { return fmt.Sprintf("data/%s/%d", kind, i) }

const mib = 1 << 20
