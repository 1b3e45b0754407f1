package teststore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Programs that are not built but come with the system.
var (
	redisServer = packaged("redis-server", "Redis 7")
	skopeo      = packaged("skopeo", "skopeo")
)

// Skopeo gives the path of skopeo.
func Skopeo(t testing.TB) string {
	t.Helper()
	path, err := skopeo()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// packaged finds the program of PATH. If there is none and this user may, Debian's package of that name is installed first. What it is called outside of
// Debian is for who has to install it otherwise.
func packaged(name, called string) func() (path string, err error) {
	return sync.OnceValues(func() (string, error) {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		dir, err := cacheDir()
		if err != nil {
			return "", err
		}
		unlock, err := lockFile(filepath.Join(dir, "packages.lock")) // another test process may be installing one
		if err != nil {
			return "", err
		}
		defer unlock()
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
			return "", fmt.Errorf("there is no %[1]s in PATH; install %[2]s (Debian: apt-get install %[1]s)", name, called)
		}
		if err := install(name); err != nil {
			return "", fmt.Errorf("%[1]s cannot be installed, run apt-get install %[1]s and look: %[2]w", name, err)
		}
		return exec.LookPath(name)
	})
}

// policy is what Debian's packages ask before they start a service. While it exists with this content, they do not.
const policy = "/usr/sbin/policy-rc.d"

// install installs a package of Debian's. The services of all that comes with it are not started.
func install(name string) error {
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case err == nil:
		defer os.Remove(policy)
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrExist): // one that is there is somebody's decision
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", name}} {
		apt := exec.CommandContext(ctx, "apt-get", args...)
		apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := apt.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	return nil
}
