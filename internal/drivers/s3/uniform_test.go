//go:build stores

package s3_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// parts notes the size of each part, by upload and number.
type parts struct {
	mu    sync.Mutex
	sizes map[string]map[int]int64
}

func (p *parts) watch(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if query := r.URL.Query(); query.Has("partNumber") {
		number, _ := strconv.Atoi(query.Get("partNumber"))
		p.mu.Lock()
		if p.sizes[query.Get("uploadId")] == nil {
			p.sizes[query.Get("uploadId")] = map[int]int64{}
		}
		p.sizes[query.Get("uploadId")][number] = r.ContentLength
		p.mu.Unlock()
	}
	return next.RoundTrip(r)
}

// TestUniformParts are all of one size but the last, whatever clients do, and when memory is short.
func TestUniformParts(t *testing.T) {
	t.Parallel()
	bucket := config(stores["minio"](t))
	bucket.ChunkSize, bucket.Memory, bucket.UniformParts = 6*mib, 12*mib, true
	seen := &parts{sizes: map[string]map[int]int64{}}
	d := openWith(t, bucket, seen.watch)
	var group sync.WaitGroup
	for i, sizes := range [][]int64{
		{30 * mib},
		{12 * mib, 12 * mib},
		{6 * mib, 1, 6*mib - 1, 6 * mib},
		{5 * mib, 5 * mib, 5 * mib, 5 * mib},
		{1, 20*mib + 7, 3},
		{7 * mib, 0, 9*mib + 1, 100, 2 * mib},
	} {
		group.Go(func() {
			var s drivers.Session
			var all []piece
			for j, n := range sizes {
				all = append(all, piece{uint64(100*i + j), n})
				var err error
				if s, err = d.Append(t.Context(), s, fmt.Sprintf("data/uniform/%d-%d", i, j), newNoise(all[j].seed, n), nil); err != nil {
					t.Error(err)
					return
				}
			}
			if _, err := d.Commit(t.Context(), s); err != nil {
				t.Error(err)
				return
			}
			isMadeOf(t, d, s.Key, all...)
		})
	}
	group.Wait()
	for upload, sizes := range seen.sizes {
		last := 0
		for number := range sizes {
			last = max(last, number)
		}
		for number, size := range sizes {
			if size > bucket.ChunkSize || size < bucket.ChunkSize && number != last {
				t.Errorf("upload %.20s: part %d of up to %d has %d bytes", upload, number, last, size)
			}
		}
	}
	if len(seen.sizes) != 6 {
		t.Errorf("%d multipart uploads", len(seen.sizes))
	}
}
