package fs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// takeLock makes this process the only one that writes below root, until the file it gives is closed or the process ends. The lock
// belongs to the open file, so the same process is refused as well when it comes twice. The lock file is never removed: a
// process that waits at a removed one and a process that makes a new one would both believe that they are alone.
func takeLock(root *os.Root) (*os.File, error) {
	f, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, unusable(root.Name(), false, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := lockHolder(f)
		_ = f.Close()
		return nil, fmt.Errorf("%s is in use by another registryd%s: stop that one first, or give this one a directory of its own", root.Name(), holder)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s cannot be locked, which keeps a second registryd out (%w): choose a local file system", root.Name(), err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only read by people and by the message above
	}
	return f, nil
}

// giveLock unlocks before it closes: a program that this process is just starting has the file open too, until it is really another one.
func giveLock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// lockHolder names the process that wrote its number into the lock file, as far as that can be told.
func lockHolder(f *os.File) string {
	b, _ := io.ReadAll(io.LimitReader(f, 20))
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
