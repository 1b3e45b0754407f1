package fs

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(t *testing.T) *drivertest.Harness {
		root, fail := t.TempDir(), &failing{}
		var current *Driver
		open := func(t *testing.T) drivers.Driver {
			if current != nil {
				closeDriver(t, current)
			}
			d, err := open(root, Options{}, fail.calls())
			if err != nil {
				t.Fatal(err)
			}
			current = d
			return d
		}
		t.Cleanup(func() { closeDriver(t, current) })
		return &drivertest.Harness{Driver: open(t), Reopen: open, Inject: fail.inject}
	})
}

// failing makes one system call fail.
type failing struct {
	mu    sync.Mutex
	steps int
	fault *drivertest.Fault
}

func (f *failing) inject(fault drivertest.Fault) (disarm func() (happened bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps, f.fault = 0, &fault
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fault = nil
		return f.steps >= fault.Step
	}
}

// do runs one call, or lets it fail before or after.
func (f *failing) do(call func() error) error {
	f.mu.Lock()
	f.steps++
	outcome := drivertest.Outcome(0)
	if f.fault != nil && f.steps == f.fault.Step {
		outcome = f.fault.Outcome
	}
	f.mu.Unlock()
	switch outcome {
	case drivertest.NotApplied:
		return syscall.EIO
	case drivertest.Unanswered:
		if err := call(); err != nil {
			return err
		}
		return syscall.EIO
	}
	return call()
}

// calls gives the system calls, each of which may fail.
func (f *failing) calls() sys {
	s := systemCalls()
	s.syncAll = func(*os.File) error { return nil } // slow where others write; TestOpenSyncs has it
	real := s
	s.open = func(root *os.Root, name string, flag int) (file *os.File, err error) {
		if err = f.do(func() error { file, err = real.open(root, name, flag); return err }); err != nil && file != nil {
			_ = file.Close()
			return nil, err
		}
		return file, err
	}
	s.lstat = func(root *os.Root, name string) (info os.FileInfo, err error) {
		if err := f.do(func() error { info, err = real.lstat(root, name); return err }); err != nil {
			return nil, err
		}
		return info, nil
	}
	s.mkdir = func(root *os.Root, name string) error { return f.do(func() error { return real.mkdir(root, name) }) }
	s.remove = func(root *os.Root, name string) error { return f.do(func() error { return real.remove(root, name) }) }
	s.rename = func(root *os.Root, from, to string) error {
		return f.do(func() error { return real.rename(root, from, to) })
	}
	s.link = func(root *os.Root, from, to string) error {
		return f.do(func() error { return real.link(root, from, to) })
	}
	s.chtimes = func(root *os.Root, name string, mtime time.Time) error {
		return f.do(func() error { return real.chtimes(root, name, mtime) })
	}
	s.writeAt = func(file *os.File, p []byte, off int64) (n int, err error) {
		if err := f.do(func() error { n, err = real.writeAt(file, p, off); return err }); err != nil {
			return 0, err
		}
		return n, nil
	}
	s.truncate = func(file *os.File, size int64) error { return f.do(func() error { return real.truncate(file, size) }) }
	s.sync = func(file *os.File) error { return f.do(func() error { return real.sync(file) }) }
	return s
}

func closeDriver(t *testing.T, d *Driver) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// openHere opens root until the test ends.
func openHere(t *testing.T, root string, opts Options) *Driver {
	t.Helper()
	d, err := Open(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDriver(t, d) })
	return d
}
