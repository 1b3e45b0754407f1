//go:build stores

package s3_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// cutBody breaks after so many bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errWire
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// cutting is a wire on which the body of each GET breaks after so many bytes; of one for which after gives -1, it does not.
func cutting(gets *atomic.Int64, after func(get int64) int) wire {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || r.Method != http.MethodGet || r.URL.Query().Has("list-type") || response.StatusCode >= 300 {
			return response, err
		}
		if n := after(gets.Add(1)); n >= 0 {
			response.Body = &cutBody{response.Body, n}
		}
		return response, nil
	}
}

// TestReadOn: whoever reads an object does not notice that connections break, as long as each brings something, or one of a few does.
func TestReadOn(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 1 << 20
			want := make([]byte, size)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
			conf := config(store(t))
			if _, err := openWith(t, conf, nil).Put(t.Context(), "object", bytes.NewReader(want), drivers.Cond{}); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name   string
				after  func(int64) int
				off, n int64
				gets   int64
			}{
				{"never", func(int64) int { return -1 }, 0, -1, 1},
				{"each after 300,000 bytes", func(int64) int { return 300_000 }, 0, -1, 4},
				{"each after 300,000 bytes, from an offset", func(int64) int { return 300_000 }, 100, -1, 4},
				{"each after 300,000 bytes, a range", func(int64) int { return 300_000 }, 100, 600_000, 2},
				{"at the last byte", func(get int64) int { return []int{size - 1, -1}[get-1] }, 0, -1, 2},
				{"behind the last byte", func(int64) int { return size }, 0, -1, 1},
				{"three bring nothing", func(get int64) int { return []int{10, 0, 0, 20, -1}[get-1] }, 0, -1, 5},
			} {
				t.Run(c.name, func(t *testing.T) {
					var gets atomic.Int64
					body, info, err := openWith(t, conf, cutting(&gets, c.after)).Open(t.Context(), "object", c.off, c.n)
					if err != nil {
						t.Fatal(err)
					}
					defer body.Close()
					got, err := io.ReadAll(body)
					part := want[c.off:]
					if c.n >= 0 {
						part = part[:c.n]
					}
					if err != nil || !bytes.Equal(got, part) || info.Size != size {
						t.Errorf("%d bytes of %d, %v; want %d", len(got), info.Size, err, len(part))
					}
					if gets.Load() != c.gets {
						t.Errorf("%d GETs, want %d", gets.Load(), c.gets)
					}
				})
			}
		})
	}
}

// TestReadOnEnds: after a few connections that bring nothing, and when the object is another one by now.
func TestReadOnEnds(t *testing.T) {
	t.Parallel()
	conf := config(teststore.MinIO(t))
	plain := openWith(t, conf, nil)
	put := func(content string) {
		if _, err := plain.Put(t.Context(), "object", strings.NewReader(content), drivers.Cond{}); err != nil {
			t.Fatal(err)
		}
	}
	put("what is there")
	var gets atomic.Int64
	read := func(d *s3.Driver, before func()) {
		t.Helper()
		body, _, err := d.Open(t.Context(), "object", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		before()
		got, err := io.ReadAll(body)
		if string(got) != "what " || !errors.Is(err, drivers.ErrUnavailable) {
			t.Errorf("read %q, %v; want what came first, and that the store is away", got, err)
		}
	}
	read(openWith(t, conf, cutting(&gets, func(get int64) int { return max(0, 5*int(2-get)) })), func() {})
	if gets.Load() != 4 {
		t.Errorf("%d GETs, want one and three more", gets.Load())
	}
	read(openWith(t, conf, cutting(new(atomic.Int64), func(int64) int { return 5 })), func() { put("what is new") })
}
