package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

func TestCrashLeftovers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d, err := Open(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Append(t.Context(), drivers.Session{}, "data/up", &counting{to: 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := d.Append(t.Context(), drivers.Session{}, "data/old", &counting{to: 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, root+"/"+tmpDir+"/7", "half a body")
	past := time.Now().Add(-abandoned - time.Hour)
	if err := os.Chtimes(root+"/"+staged(old.Key), past, past); err != nil {
		t.Fatal(err)
	}
	closeDriver(t, d)

	d = openHere(t, root, Options{})
	if left, err := os.ReadDir(root + "/" + tmpDir); err != nil || len(left) > 0 {
		t.Errorf("tmp holds %v, %v", left, err)
	}
	if _, err := d.Commit(t.Context(), old); !errors.Is(err, drivers.ErrNotFound) {
		t.Errorf("commit of an abandoned upload gave %v", err)
	}
	if _, err := d.Commit(t.Context(), s); err != nil {
		t.Error(err)
	}
}

func TestSweepWhileServing(t *testing.T) {
	t.Parallel()
	calls := systemCalls()
	now := time.Now()
	calls.now = func() time.Time { return now }
	d, err := open(t.TempDir(), Options{}, calls)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDriver(t, d)
	start := func(key string) drivers.Session {
		s, err := d.Append(t.Context(), drivers.Session{}, key, &counting{to: 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := start("old")
	now = now.Add(abandoned / 2)
	start("another")
	if _, err := d.Append(t.Context(), old, "x", &counting{}, nil); err != nil {
		t.Errorf("after a day: %v", err)
	}
	now = now.Add(abandoned)
	start("third")
	if _, err := d.Append(t.Context(), old, "y", &counting{}, nil); !errors.Is(err, drivers.ErrNotFound) {
		t.Errorf("after three days: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	server := openHere(t, root, Options{})
	put(t, server, "a/b", "x")
	s, err := server.Append(t.Context(), drivers.Session{}, "data/up", &counting{to: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := openHere(t, root, Options{ReadOnly: true})
	if _, err := d.Stat(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
	if page, err := d.List(t.Context(), drivers.ListOptions{}); err != nil || len(page.Objects) != 1 {
		t.Errorf("list gave %+v, %v", page, err)
	}
	_, perr := d.Put(t.Context(), "a/c", strings.NewReader("x"), drivers.Cond{})
	_, aerr := d.Append(t.Context(), s, "data/up2", &counting{to: 10}, nil)
	_, cerr := d.Commit(t.Context(), s)
	for name, err := range map[string]error{"put": perr, "delete": d.Delete(t.Context(), "a/b"), "append": aerr, "commit": cerr, "abort": d.Abort(t.Context(), s)} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if _, err := server.Commit(t.Context(), s); err != nil {
		t.Error(err)
	}

	bare := t.TempDir()
	openHere(t, bare, Options{ReadOnly: true})
	if left, err := os.ReadDir(bare); err != nil || len(left) > 0 {
		t.Errorf("opening read-only left %v, %v", left, err)
	}
	if _, err := Open(filepath.Join(bare, "absent"), Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening what is not there read-only gave %v", err)
	}
}

func TestUnfitFileSystems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(s *sys)
		want  string
	}{
		{"times to the second", func(s *sys) {
			s.chtimes = func(r *os.Root, name string, m time.Time) error { return r.Chtimes(name, m, m.Truncate(time.Second)) }
		}, "does not keep file times to the nanosecond"},
		{"times to 100 nanoseconds", func(s *sys) {
			s.chtimes = func(r *os.Root, name string, m time.Time) error { return r.Chtimes(name, m, m.Truncate(100)) }
		}, "does not keep file times to the nanosecond"},
		{"no links", func(s *sys) { s.link = func(*os.Root, string, string) error { return syscall.EPERM } }, "does not keep hard links as it should (operation not permitted)"},
		{"links that replace", func(s *sys) { s.link = func(*os.Root, string, string) error { return nil } }, "does not keep hard links as it should (a link replaced a file)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, calls := t.TempDir(), systemCalls()
			c.spoil(&calls)
			_, err := open(root, Options{}, calls)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), root) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s %s", err, root, c.want)
			}
			openHere(t, root, Options{}) // the lock was given back
		})
	}
}

func TestOpenSyncsWhatItFound(t *testing.T) {
	t.Parallel()
	calls, synced := systemCalls(), false
	calls.syncAll = func(f *os.File) error { synced = true; return syncAll(f) }
	d, err := open(filepath.Join(t.TempDir(), "made", "here"), Options{}, calls)
	if err != nil {
		t.Fatal(err)
	}
	closeDriver(t, d)
	if !synced {
		t.Error("what a process that died left behind was not made durable")
	}
}

func write(t *testing.T, name, body string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}
