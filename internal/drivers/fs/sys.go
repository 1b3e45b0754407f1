package fs

import (
	"os"
	"sync"
	"time"
)

// sys is all that the driver does to the file system while it serves. Tests replace entries to make them fail.
type sys struct {
	open     func(root *os.Root, name string, flag int) (*os.File, error) // a file, or a directory to read or sync
	lstat    func(root *os.Root, name string) (os.FileInfo, error)
	mkdir    func(root *os.Root, name string) error
	remove   func(root *os.Root, name string) error
	rename   func(root *os.Root, from, to string) error
	link     func(root *os.Root, from, to string) error
	chtimes  func(root *os.Root, name string, mtime time.Time) error
	writeAt  func(f *os.File, p []byte, off int64) (int, error)
	truncate func(f *os.File, size int64) error
	sync     func(f *os.File) error
	syncAll  func(f *os.File) error // the whole file system that holds f
	now      func() time.Time
}

func systemCalls() sys {
	return sys{
		open: func(root *os.Root, name string, flag int) (*os.File, error) {
			return root.OpenFile(name, flag, fileMode)
		},
		lstat:    (*os.Root).Lstat,
		mkdir:    func(root *os.Root, name string) error { return root.Mkdir(name, dirMode) },
		remove:   (*os.Root).Remove,
		rename:   (*os.Root).Rename,
		link:     (*os.Root).Link,
		chtimes:  func(root *os.Root, name string, mtime time.Time) error { return root.Chtimes(name, mtime, mtime) },
		writeAt:  (*os.File).WriteAt,
		truncate: (*os.File).Truncate,
		sync:     (*os.File).Sync,
		syncAll:  syncAll,
		now:      time.Now,
	}
}

// clock gives times that are near the true one and never the same twice.
type clock struct {
	now  func() time.Time
	mu   sync.Mutex
	last int64 // nanoseconds since 1970
}

// next gives a time behind all that were given before, and behind floor.
func (c *clock) next(floor time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := c.last
	if !floor.IsZero() {
		after = max(after, floor.UnixNano())
	}
	c.last = max(c.now().UnixNano(), after+1)
	return time.Unix(0, c.last)
}
