package teststore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports that FreeAddr gives lie below those that systems give to whoever asks for any, and to connections that go out: between FreeAddr and the start of a
// program, and while a program is stopped to be started again, nothing else comes to listen there by chance.
const firstPort, lastPort = 10000, 15999

// kept are the files whose locks say which ports this process has been given. They are never closed: the ports are its own until it ends.
var kept struct {
	mu    sync.Mutex
	files []*os.File
}

// FreeAddr is a loopback address that nobody listens on. It is not given a second time, to this test process or to another one, while this one lives.
func FreeAddr() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("registryd-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, n := range rand.Perm(lastPort - firstPort + 1) {
		port := strconv.Itoa(firstPort + n)
		mine, err := keep(filepath.Join(dir, port))
		if err != nil {
			return "", err
		}
		if !mine {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", port)
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // by something that knows nothing of the locks
		}
		if err != nil {
			return "", err
		}
		return addr, l.Close()
	}
	return "", fmt.Errorf("no loopback port from %d to %d is free", firstPort, lastPort)
}

// keep locks a file for this process, and says whether nobody else had.
func keep(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		kept.files = append(kept.files, f)
		return true, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return false, err
}
