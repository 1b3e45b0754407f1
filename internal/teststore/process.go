package teststore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program under test's control. Its methods are not for use beside each other.
type Process struct {
	Addr string // host:port it listens on
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}

	ready     func(context.Context) error
	path      string
	args, env []string
}

// startTime is how long programs may take to come up, on a machine that has a lot else to do.
const startTime = 3 * time.Minute

// start runs a program that listens on addr and waits until ready says so.
func start(addr string, ready func(context.Context) error, path string, args, env []string) (*Process, error) {
	p := &Process{Addr: addr, log: &logBuffer{}, ready: ready, path: path, args: args, env: env}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the program and waits until it is ready.
func (p *Process) run() error {
	cmd, done := exec.Command(p.path, p.args...), make(chan struct{})
	cmd.Env = append(cmd.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait(); close(done) }()
	p.cmd, p.done = cmd, done
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("%s ended at once:\n%s", p.path, p.log)
		case <-ctx.Done():
			p.Stop()
			return fmt.Errorf("%s is not ready: %w\n%s", p.path, err, p.log)
		}
	}
}

// Stop kills the program and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Restart kills the program, if it still runs, and starts it again on the same address and with the same data.
func (p *Process) Restart() error {
	p.Stop()
	return p.run()
}

// Pause stops the program where it is: connections to it can be made still, and nothing is answered.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume has it go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// answers is ready when a GET of url has one of these statuses.
func answers(url string, statuses ...int) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		for _, status := range statuses {
			if response.StatusCode == status {
				return nil
			}
		}
		return errors.New(response.Status)
	}
}

// shared is a program that all tests of a process use. It ends with the process.
type shared struct {
	once    sync.Once
	process *Process
	err     error
}

func (s *shared) get(t testing.TB, start func() (*Process, error)) *Process {
	t.Helper()
	s.once.Do(func() { s.process, s.err = start() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.process
}

// logBuffer keeps the end of what a program says.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > 1<<20 {
		b.buf.Reset()
	}
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
