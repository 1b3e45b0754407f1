package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Build makes a registryd as it is released, without the race detector, in dir.
func Build(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "registryd")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "github.com/registryd/registryd/cmd/registryd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build registryd: %w\n%s", err, out)
	}
	return program, nil
}

// Program is a registryd that is built once for all tests of the process. Its folder has a name by which internal/teststore knows it, and removes it when
// the process is gone.
var Program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("registryd-test-%d-node-", os.Getpid()))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return Build(ctx, dir)
})
