package node

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the node when the test process dies, also by a signal that it cannot catch.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
