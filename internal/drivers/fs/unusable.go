package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"syscall"
)

// unusable says in one sentence that the directory root will not do, why, and what to do about it: whoever reads it has just started registryd.
func unusable(root string, readOnly bool, err error) error {
	attempt, remedy := "written to", "let this user write there"
	if readOnly {
		attempt, remedy = "read", "let this user read it"
	}
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		remedy = "check that it is there"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, iofs.ErrExist), isFile(root):
		remedy = "move away what stands in its place"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		remedy = "make room there"
	case errors.Is(err, syscall.EROFS):
		remedy = "mount it for writing"
	}
	where := ""
	var at *os.PathError
	if errors.As(err, &at) {
		if err = at.Err; at.Path != root && at.Path != "." {
			where = at.Path + ": "
		}
	}
	return fmt.Errorf("%s cannot be %s (%s%w); %s, or name another directory with --data (storage.filesystem.rootdirectory)", root, attempt, where, err, remedy)
}

// isFile is for os.OpenRoot, whose error for what is no directory cannot be told from others.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

func (d *Driver) unusable(err error) error { return unusable(d.root.Name(), d.readOnly, err) }
