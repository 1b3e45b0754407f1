package node

import (
	"context"
	"fmt"
	"syscall"
)

// Kill sends SIGKILL and waits for the end.
func (n *Node) Kill() {
	n.once.Do(func() { _ = n.cmd.Process.Kill() })
	<-n.done
}

// Stop sends SIGTERM and waits for the end, which comes when running requests are over. A node that is not gone when ctx ends is killed.
func (n *Node) Stop(ctx context.Context) error {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-n.done:
	case <-ctx.Done():
		n.Kill()
		return fmt.Errorf("the node did not end after SIGTERM: %w\n%s", ctx.Err(), n.Log())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the node ended with code %d\n%s", code, n.Log())
	}
	return nil
}

// Pause sends SIGSTOP and waits until the node stands still. Its connections stay.
func (n *Node) Pause() error {
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return waitStopped(n.cmd.Process.Pid)
}

// Resume sends SIGCONT.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Ended is closed when the process is gone.
func (n *Node) Ended() <-chan struct{} { return n.done }
