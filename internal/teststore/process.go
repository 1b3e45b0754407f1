package teststore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Process is a program under test's control.
type Process struct {
	Addr string // host:port it listens on
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

// FreeAddr is a loopback address that nobody listens on at the moment.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start runs a program that listens on addr and waits until ready says so.
func start(addr string, ready func(context.Context) error, path string, args, env []string) (*Process, error) {
	p := &Process{Addr: addr, cmd: exec.Command(path, args...), log: &logBuffer{}, done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	dieWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return p, nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return nil, fmt.Errorf("%s ended at once:\n%s", path, p.log)
		case <-ctx.Done():
			p.Stop()
			return nil, fmt.Errorf("%s is not ready: %w\n%s", path, err, p.log)
		}
	}
}

// Stop kills the program and waits for its end.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

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
