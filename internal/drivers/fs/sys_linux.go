package fs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything that was written to f's file system durable.
func syncAll(f *os.File) error {
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
