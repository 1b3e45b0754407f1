package tarsum

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/reference"
)

// few bounds what is verified to what a test has the time for.
var few = bounds{ratio: 100, free: 1 << 20, listing: 8 << 20}

// streamed gives what write writes.
func streamed(write func(w io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 4<<10)
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
		sum, err := few.compute(r, reference.TarSumV1)
		if r.Close(); !errors.Is(err, ErrArchive) {
			t.Errorf("%s: %s, %v", name, sum, err)
		}
	}
}

// TestMemory verifies archives with headers of many megabytes, which are accepted, and with more entries than are. It weighs the process, and so runs
// by itself, as TestBombs does.
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
		{"large headers", entries(80, tar.Header{PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("a", 1_000_000)}}), nil},
		{"small entries", entries(few.listing/entryCost, tar.Header{}), ErrArchive},
	} {
		var most uint64
		r := watched{tc.r, func() {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}, new(int)}
		if _, err := few.compute(r, reference.TarSumV1); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		tc.r.Close()
		if most > 48<<20 {
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
	if *w.count++; *w.count%200 == 0 {
		w.look()
	}
	return w.Reader.Read(p)
}

// TestSparse has files with holes, which are read as zeros: small ones are, large ones cost no more than other bombs.
func TestSparse(t *testing.T) {
	t.Parallel()
	small := sparse(t, 1<<20)
	if err := Verify(bytes.NewReader(small), bySpec(t, small, reference.TarSumV1)); err != nil {
		t.Error(err)
	}
	if zeros := layers(t)["megabyte"]; bySpec(t, small, reference.TarSumV1) == bySpec(t, zeros, reference.TarSumV1) {
		t.Error("that is no sparse file")
	}
	sum, err := Compute(bytes.NewReader(sparse(t, 1<<32)), reference.TarSumV1)
	if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "times longer") {
		t.Errorf("four gibibytes of zeros: %s, %v", sum, err)
	}
}

// sparse gives an archive of one file that is all hole, as GNU tar writes it.
func sparse(t *testing.T, size int64) []byte {
	t.Helper()
	h := file("hole", "")
	h.Format = tar.FormatGNU
	content := archive(t, h)
	content[156] = tar.TypeGNUSparse
	copy(content[386:], fmt.Sprintf("%011o\x00%011o\x00", size, 0)) // one fragment, of no bytes, at the end
	copy(content[483:], fmt.Sprintf("%011o\x00", size))
	sum := 0
	copy(content[148:], "        ")
	for _, c := range content[:512] {
		sum += int(c)
	}
	copy(content[148:], fmt.Sprintf("%06o\x00 ", sum))
	return content
}
