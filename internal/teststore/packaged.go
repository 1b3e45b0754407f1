package teststore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// redisServer gives the redis-server of PATH. If there is none and this user may, Debian's is installed first.
var redisServer = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path, nil
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(dir, "redis-server.lock")) // another test process may be installing it
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return "", errors.New("there is no redis-server in PATH; install Redis 7 (Debian: apt-get install redis-server)")
	}
	if err := installRedis(); err != nil {
		return "", fmt.Errorf("redis-server cannot be installed, run apt-get install redis-server and look: %w", err)
	}
	return exec.LookPath("redis-server")
})

// policy is what Debian's packages ask before they start a service. While it exists with this content, they do not.
const policy = "/usr/sbin/policy-rc.d"

func installRedis() error {
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
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", "redis-server"}} {
		apt := exec.CommandContext(ctx, "apt-get", args...)
		apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := apt.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	return nil
}
