//go:build unix && !linux

package fs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything that was written to f's file system durable.
func syncAll(*os.File) error {
	return os.NewSyscallError("sync", unix.Sync())
}
