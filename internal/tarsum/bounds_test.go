package tarsum

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/reference"
)

// streamed gives what write writes.
func streamed(write func(w io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<16)
		err := write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
	}()
	return r
}

// TestBombs gives archives that are small when compressed and endless when not: each ends in an error before it has cost much.
func TestBombs(t *testing.T) {
	for name, write := range map[string]func(w *tar.Writer) error{
		"zeros": func(w *tar.Writer) error {
			if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: 1 << 40}); err != nil {
				return err
			}
			zeros := make([]byte, 1<<20)
			for {
				if _, err := w.Write(zeros); err != nil {
					return err
				}
			}
		},
		"entries": func(w *tar.Writer) error {
			for i := 0; ; i++ {
				if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i)}); err != nil {
					return err
				}
			}
		},
	} {
		r := streamed(func(w io.Writer) error {
			z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
			if err != nil {
				return err
			}
			return write(tar.NewWriter(z))
		})
		sum, err := Compute(r, reference.TarSumV1)
		if r.Close(); !errors.Is(err, ErrArchive) {
			t.Errorf("%s: %s, %v", name, sum, err)
		}
	}
}

// TestMemory verifies archives with headers of many megabytes, which are accepted, and with more entries than are.
func TestMemory(t *testing.T) {
	entries := func(n int, h tar.Header) io.ReadCloser {
		return streamed(func(w io.Writer) error {
			to := tar.NewWriter(w)
			for i := range n {
				h.Name = fmt.Sprint(i)
				if err := to.WriteHeader(&h); err != nil {
					return err
				}
			}
			return to.Close()
		})
	}
	for _, tc := range []struct {
		name string
		r    io.ReadCloser
		want error
	}{
		{"large headers", entries(300, tar.Header{PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("a", 1_000_000)}}), nil},
		{"small entries", entries(maxListing/entryCost, tar.Header{}), ErrArchive},
	} {
		var most uint64
		r := watched{tc.r, func() {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}, new(int)}
		runtime.GC()
		if _, err := Compute(r, reference.TarSumV1); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		tc.r.Close()
		if most > 160<<20 { // with what waits for the garbage collector
			t.Errorf("%s take %d MiB of memory", tc.name, most>>20)
		}
		t.Logf("%s take %d MiB", tc.name, most>>20)
	}
}

// watched calls look once in a while.
type watched struct {
	io.Reader
	look  func()
	count *int
}

func (w watched) Read(p []byte) (int, error) {
	if *w.count++; *w.count%100 == 0 {
		w.look()
	}
	return w.Reader.Read(p)
}
