package storage_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/storage"
)

// many is a store of so many blobs that it makes each up when it is asked. The last one of the data is named by no pointer.
type many struct {
	drivers.Driver
	blobs   int
	made    uint64 // ms since 1970
	version int    // of all pointers
	peak    func()
	removed []string
}

func (m *many) id(i int) string {
	var id ulid.ULID
	_ = id.SetTime(m.made)
	_ = id.SetEntropy([]byte{0, 0, 0, 0, 0, 0, byte(i >> 16), byte(i >> 8), byte(i), byte(i * 256 / m.blobs)})
	return id.String()
}

func (m *many) data(i int) string {
	return fmt.Sprintf("%s/data/%02x/%s", storage.DefaultRoot, i*256/m.blobs, m.id(i))
}

func (m *many) pointer(i int) string {
	name := fmt.Sprintf("%08x%s", uint64(i)<<32/uint64(m.blobs), strings.Repeat("0", 56))
	return fmt.Sprintf("%s/blobs/sha256/%s/%s/pointer", storage.DefaultRoot, name[:2], name)
}

func (m *many) etag(i int) string { return fmt.Sprintf(`"%016x%016x"`, m.version, i) }

func (m *many) List(_ context.Context, opts drivers.ListOptions) (page drivers.Page, err error) {
	var key func(int) string
	n := m.blobs
	switch opts.Prefix {
	case storage.DefaultRoot + "/data/":
		key = m.data
	case storage.DefaultRoot + "/blobs/":
		key, n = m.pointer, m.blobs-1
	default:
		return page, nil
	}
	from, _ := strconv.Atoi(opts.After)
	for i := from; i < min(from+1000, n); i++ {
		page.Objects = append(page.Objects, drivers.Info{Key: key(i), Size: 200, ETag: m.etag(i), ModTime: time.UnixMilli(int64(m.made))})
	}
	if from+1000 < n {
		page.Next = strconv.Itoa(from + 1000)
	} else if n < m.blobs {
		m.peak()
	}
	return page, nil
}

func (m *many) Open(_ context.Context, key string, _, _ int64) (io.ReadCloser, drivers.Info, error) {
	name := strings.Split(key, "/")
	high, err := hex.DecodeString(name[len(name)-2][:8])
	if err != nil {
		return nil, drivers.Info{}, err
	}
	at := uint64(high[0])<<24 | uint64(high[1])<<16 | uint64(high[2])<<8 | uint64(high[3])
	i := int((at*uint64(m.blobs) + 1<<32 - 1) >> 32)
	record := fmt.Sprintf(`{"v":1,"nonce":"n","state":"live","size":200,"data":%q}`, m.id(i))
	return io.NopCloser(strings.NewReader(record)), drivers.Info{Key: key, Size: int64(len(record)), ETag: m.etag(i)}, nil
}

func (m *many) Put(_ context.Context, key string, _ io.ReadSeeker, _ drivers.Cond) (drivers.Info, error) {
	return drivers.Info{Key: key}, nil
}

func (m *many) Stat(_ context.Context, key string) (drivers.Info, error) {
	return drivers.Info{Key: key, ModTime: time.Now()}, nil
}

func (m *many) Delete(_ context.Context, keys ...string) error {
	m.removed = append(m.removed, keys...)
	return nil
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Pointers that were swapped are known in their last form alone, so that the memory of a janitor does not grow with its age.
func TestJanitorForgets(t *testing.T) { //nolint:paralleltest // it measures the heap
	const blobs, perBlob = 20_000, 250
	store := &many{blobs: blobs, made: ulid.Timestamp(time.Now().Add(-48 * time.Hour))}
	before, took := heap(), int64(0)
	store.peak = func() { took = heap() - before }
	janitor := storage.New(store, storage.Options{}).NewJanitor()
	for store.version = range 7 {
		_, err := janitor.Run(t.Context(), storage.JanitorOptions{})
		must(t, err)
	}
	t.Logf("%d bytes of each blob", took/blobs)
	if took > perBlob*blobs {
		t.Errorf("it took %d bytes of each blob", took/blobs)
	}
}

// A janitor holds about as many bytes of each blob as docs/operations.md says (Sizing), and its second run no more than its first. It runs alone, since it
// measures the heap.
func TestJanitorMemory(t *testing.T) { //nolint:paralleltest // as it says
	const perBlob = 110                             // bytes, at most
	for _, blobs := range []int{150_000, 200_000} { // maps are at their emptiest at some size between
		store := &many{blobs: blobs, made: ulid.Timestamp(time.Now().Add(-48 * time.Hour))}
		before := heap()
		var took int64
		store.peak = func() { took = heap() - before }
		janitor := storage.New(store, storage.Options{}).NewJanitor()
		for run := range 2 {
			store.removed = nil
			done, err := janitor.Run(t.Context(), storage.JanitorOptions{})
			must(t, err)
			if done.Data != 1 || len(store.removed) != 1 || store.removed[0] != store.data(blobs-1) {
				t.Errorf("run %d removed %q", run, store.removed)
			}
			t.Logf("%d blobs, run %d: %d bytes, %d of each", blobs, run, took, took/int64(blobs))
			if took > perBlob*int64(blobs) || took < 20*int64(blobs) {
				t.Errorf("run %d took %d bytes of each blob, want %d at most", run, took/int64(blobs), perBlob)
			}
		}
	}
}
