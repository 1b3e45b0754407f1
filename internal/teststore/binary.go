package teststore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// program is one that can be built with go install at a pinned version.
type program struct {
	name   string
	module string // with its version
	once   sync.Once
	path   string
	err    error
}

var (
	minio     = &program{name: "minio", module: "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"}
	versitygw = &program{name: "versitygw", module: "github.com/versity/versitygw/cmd/versitygw@v1.8.0"}

	distribution = &program{name: "registry", module: "github.com/distribution/distribution/v3/cmd/registry@v3.1.2"}
)

// Build makes sure that all programs are there, and says where.
func Build() ([]string, error) {
	var paths []string
	for _, p := range []*program{minio, versitygw, distribution} {
		path, err := p.find()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	for _, find := range []func() (string, error){redisServer, skopeo} {
		path, err := find()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// cacheDir keeps built programs from one run to the next.
func cacheDir() (string, error) {
	if dir := os.Getenv("REGISTRYD_TOOLS"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "registryd-tools")
	return dir, os.MkdirAll(dir, 0o755)
}

// find gives the program from the cache, where it is built once; that takes minutes. `make tools` does it ahead.
func (p *program) find() (string, error) {
	p.once.Do(func() { p.path, p.err = p.build() })
	return p.path, p.err
}

func (p *program) build() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, p.name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(path + ".lock") // another test process may be building it
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "install", p.module)
	build.Dir = dir // outside of any module
	build.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s cannot be built, run make tools and look: %w\n%s", p.name, err, out)
	}
	return path, nil
}

func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
