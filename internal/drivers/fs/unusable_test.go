package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const otherDirectory = ", or name another directory with --data (storage.filesystem.rootdirectory)"

// Whoever starts registryd on a directory that will not do reads which one it is and what to do.
func TestUnusableDirectories(t *testing.T) {
	t.Parallel()
	file := func(t *testing.T, name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), dirMode); err != nil {
			t.Fatal(err)
		}
		write(t, name, "")
	}
	failing := func(cause error) func(*sys) {
		return func(s *sys) {
			s.open = func(_ *os.Root, name string, _ int) (*os.File, error) {
				return nil, &os.PathError{Op: "openat", Path: name, Err: cause}
			}
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, root string)
		spoil   func(*sys)
		opts    Options
		want    string // behind the directory's name; ROOT stands for it
	}{
		{"missing, read-only", nil, nil, Options{ReadOnly: true}, " cannot be read (no such file or directory); check that it is there"},
		{"a file", file, nil, Options{}, " cannot be written to (not a directory); move away what stands in its place"},
		{"a file, read-only", file, nil, Options{ReadOnly: true}, " cannot be read (not a directory); move away what stands in its place"},
		{"a file below", func(t *testing.T, root string) { t.Helper(); file(t, root+"/"+ownDir) }, nil, Options{},
			" cannot be written to (.registryd: file exists); move away what stands in its place"},
		{"a folder for a lock", func(t *testing.T, root string) { t.Helper(); file(t, root+"/"+lockFile+"/x") }, nil, Options{},
			" cannot be written to (.registryd/lock: is a directory); move away what stands in its place"},
		{"no permission", nil, failing(syscall.EACCES), Options{}, " cannot be written to (.registryd/tmp/probe-a: permission denied); let this user write there"},
		{"a read-only file system", nil, failing(syscall.EROFS), Options{}, " cannot be written to (.registryd/tmp/probe-a: read-only file system); mount it for writing"},
		{"a full file system", nil, failing(syscall.ENOSPC), Options{}, " cannot be written to (.registryd/tmp/probe-a: no space left on device); make room there"},
		{"no sync", nil, func(s *sys) { s.syncAll = func(*os.File) error { return syscall.EIO } }, Options{}, " cannot be written to (input/output error); let this user write there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, calls := filepath.Join(t.TempDir(), "data"), systemCalls()
			if c.prepare != nil {
				c.prepare(t, root)
			}
			if c.spoil != nil {
				c.spoil(&calls)
			}
			_, err := open(root, c.opts, calls)
			if err == nil || err.Error() != root+c.want+otherDirectory {
				t.Errorf("got\n%v, want\n%s%s%s", err, root, c.want, otherDirectory)
			}
		})
	}
}

// What the tests cannot bring about when they run as root.
func TestUnusableSentences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		readOnly bool
		err      error
		want     string
	}{
		{false, &os.PathError{Op: "mkdir", Path: "/data", Err: syscall.EACCES}, "/data/a cannot be written to (/data: permission denied); let this user write there"},
		{false, &os.PathError{Op: "mkdir", Path: "/data/a", Err: syscall.EROFS}, "/data/a cannot be written to (read-only file system); mount it for writing"},
		{true, &os.PathError{Op: "open", Path: "/data/a", Err: syscall.EACCES}, "/data/a cannot be read (permission denied); let this user read it"},
	} {
		got := unusable("/data/a", c.readOnly, c.err)
		if got.Error() != c.want+otherDirectory || !errors.Is(got, errors.Unwrap(c.err)) || strings.Contains(got.Error(), "\n") {
			t.Errorf("got\n%v, want\n%s%s", got, c.want, otherDirectory)
		}
	}
}
