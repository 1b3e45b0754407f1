package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// waitStopped waits until SIGSTOP has reached all threads of a child, which takes a while on a machine that is busy.
func waitStopped(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait until process %d stands still: %w", pid, err)
		}
		return nil
	}
}
