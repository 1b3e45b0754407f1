package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// recorded is a driver that tells which files and directories it synced, and can be made to fail there.
type recorded struct {
	*Driver
	synced []string
	fail   string
}

func openRecorded(t *testing.T) *recorded {
	t.Helper()
	root, calls := t.TempDir(), systemCalls()
	r := &recorded{}
	calls.sync = func(f *os.File) error {
		name, err := filepath.Rel(root, f.Name())
		if err != nil || name == r.fail {
			return errors.Join(err, syscall.EIO)
		}
		r.synced = append(r.synced, name)
		return f.Sync()
	}
	d, err := open(root, Options{}, calls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDriver(t, d) })
	r.Driver = d
	return r
}

// wantSynced checks what was synced since the last time, in any order.
func (r *recorded) wantSynced(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(r.synced)
	slices.Sort(want)
	if !slices.Equal(r.synced, want) {
		t.Errorf("synced %q, want %q", r.synced, want)
	}
	r.synced = nil
}

func TestSyncsBeforeItAcknowledges(t *testing.T) {
	t.Parallel()
	r := openRecorded(t)
	put(t, r.Driver, "a/b/c", "x")
	r.wantSynced(t, tmpDir+"/1", ".", "a", "a/b")
	put(t, r.Driver, "a/b/d", "x")
	r.wantSynced(t, tmpDir+"/2", "a/b")
	if err := r.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	r.wantSynced(t, "a/b")
	if err := r.Delete(t.Context(), "a/b/d", "a/b/e"); err != nil {
		t.Fatal(err)
	}
	r.wantSynced(t, ".") // the folders are gone
	s, err := r.Append(t.Context(), drivers.Session{}, "up/1", &counting{to: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.wantSynced(t, staged("up/1"), stagingDir)
	if s, err = r.Append(t.Context(), s, "up/2", &counting{from: 10, to: 20}, nil); err != nil {
		t.Fatal(err)
	}
	r.wantSynced(t, staged("up/1")) // it went on in place
	if _, err := r.Commit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.wantSynced(t, staged("up/1"), ".", "up")
}

// What failed to become durable is tried again before anybody is told of it.
func TestNothingIsBuiltOnAFailedSync(t *testing.T) {
	t.Parallel()
	absent := drivers.Cond{IfAbsent: true}
	for _, c := range []struct {
		name string
		fail string
		call func(r *recorded) error
		want error
	}{
		{"creating again", "a/b", func(r *recorded) error {
			_, err := r.Put(t.Context(), "a/b/key", strings.NewReader("x"), absent)
			return err
		}, drivers.ErrPrecondition},
		{"creating beside", "a", func(r *recorded) error {
			_, err := r.Put(t.Context(), "a/b/other", strings.NewReader("x"), absent)
			return err
		}, drivers.ErrPrecondition},
		{"stat", "a/b", func(r *recorded) error { _, err := r.Stat(t.Context(), "a/b/key"); return err }, nil},
		{"list", ".", func(r *recorded) error { _, err := r.List(t.Context(), drivers.ListOptions{}); return err }, nil},
		{"delete of what is not there", "a/b", func(r *recorded) error { return r.Delete(t.Context(), "a/b/absent") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := openRecorded(t)
			r.fail = c.fail
			if _, err := r.Put(t.Context(), "a/b/key", strings.NewReader("x"), absent); !errors.Is(err, drivers.ErrUnavailable) {
				t.Fatalf("put gave %v", err)
			}
			if err := c.call(r); !errors.Is(err, drivers.ErrUnavailable) {
				t.Errorf("while it fails: %v", err)
			}
			r.fail, r.synced = "", nil
			if err := c.call(r); !errors.Is(err, c.want) {
				t.Errorf("afterwards: %v", err)
			}
			if !slices.Contains(r.synced, c.fail) {
				t.Errorf("synced %q, without %s", r.synced, c.fail)
			}
		})
	}
}

func TestETagsOfAStoppedClock(t *testing.T) {
	t.Parallel()
	root, calls := t.TempDir(), systemCalls()
	now := time.Now()
	calls.now = func() time.Time { return now }
	seen := map[string]bool{}
	for range 3 { // a process each, and the clock is set back in between
		d, err := open(root, Options{}, calls)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			seen[put(t, d, "key", "same size").ETag] = true
		}
		closeDriver(t, d)
		now = now.Add(-time.Hour)
	}
	if len(seen) != 15 {
		t.Errorf("15 versions have %d ETags", len(seen))
	}
}

func TestErrorsOfTheDisk(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT, syscall.EMFILE} {
		calls := systemCalls()
		d, err := open(t.TempDir(), Options{}, calls)
		if err != nil {
			t.Fatal(err)
		}
		defer closeDriver(t, d)
		d.sys.writeAt = func(*os.File, []byte, int64) (int, error) {
			return 0, &os.PathError{Op: "write", Path: "x", Err: cause}
		}
		_, perr := d.Put(t.Context(), "a/b", strings.NewReader("x"), drivers.Cond{})
		_, aerr := d.Append(t.Context(), drivers.Session{}, "a/c", &counting{to: 10}, nil)
		for _, err := range []error{perr, aerr} {
			if !errors.Is(err, drivers.ErrUnavailable) || !errors.Is(err, cause) {
				t.Errorf("%v gave %v", cause, err)
			}
		}
		for _, dir := range []string{tmpDir, stagingDir} {
			if left, err := os.ReadDir(d.root.Name() + "/" + dir); err != nil || len(left) > 0 {
				t.Errorf("%v left %v in %s, %v", cause, left, dir, err)
			}
		}
	}
}

func TestCommitOfAnOlderSessionCopiesNothing(t *testing.T) {
	t.Parallel()
	d := openHere(t, t.TempDir(), Options{})
	older, err := d.Append(t.Context(), drivers.Session{}, "up/1", &counting{to: 1 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Append(t.Context(), older, "up/2", &counting{from: 1 << 20, to: 2 << 20}, nil); err != nil {
		t.Fatal(err)
	}
	d.sys.writeAt = func(*os.File, []byte, int64) (int, error) {
		t.Error("commit writes bytes")
		return 0, syscall.EIO
	}
	if info, err := d.Commit(t.Context(), older); err != nil || info.Size != 1<<20 {
		t.Errorf("commit gave %+v, %v", info, err)
	}
}

// Put makes the folders that Delete takes away at the same time.
func TestPutMeetsPrune(t *testing.T) {
	t.Parallel()
	calls := systemCalls()
	calls.sync = func(*os.File) error { return nil } // to meet more often
	d, err := open(t.TempDir(), Options{}, calls)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDriver(t, d)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			key := fmt.Sprintf("a/b/c/d/e/%d", i)
			for range 100 {
				if _, err := d.Put(t.Context(), key, strings.NewReader("x"), drivers.Cond{IfAbsent: true}); err != nil {
					t.Error(err)
				}
				if err := d.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
