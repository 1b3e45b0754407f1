//go:build !linux

package node

import "os/exec"

// dieWithParent does what it can, which is nothing here.
func dieWithParent(*exec.Cmd) {}
