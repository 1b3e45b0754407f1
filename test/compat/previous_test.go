//go:build stores

// Package compat_test runs the previous release beside the one of this tree, on one bucket: what either writes, the other reads.
package compat_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/teststore"
)

// previous is the release that nodes of this tree have to get along with, as a tag or a commit: at each release, set it to the tag of that release.
const previous = "a39e7275dd8738c12164f09530640c1cf3566f57"

// root is the top of the repository.
const root = "../.."

// oldProgram gives the registryd of the previous release. It is built from the repository's own history, and kept from one run to the next.
func oldProgram(t *testing.T) string {
	t.Helper()
	program, err := builtOnce()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var builtOnce = sync.OnceValues(func() (string, error) {
	commit, err := git("rev-parse", "--verify", "--quiet", previous+"^{commit}")
	if err != nil {
		return "", errNoHistory()
	}
	return teststore.Cached("registryd-"+commit, func(path string) error { return buildAt(commit, path) })
})

// errNoHistory says how to get the commits that are missing.
func errNoHistory() error {
	how := "git fetch --tags"
	if shallow, err := git("rev-parse", "--is-shallow-repository"); err != nil {
		return fmt.Errorf("the previous release is built from the history, so run this in a clone made by git: %w", err)
	} else if shallow == "true" {
		how = "git fetch --unshallow --tags"
	}
	return fmt.Errorf("the history of this clone does not hold the previous release, %s: run %s", previous, how)
}

// buildAt builds a commit as it is released, without the race detector.
func buildAt(commit, program string) error {
	dir, err := os.MkdirTemp("", "registryd-previous-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, tree := filepath.Join(dir, "tree.zip"), filepath.Join(dir, "tree")
	if _, err := git("archive", "--format=zip", "--output="+archive, commit); err != nil {
		return err
	}
	files, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer files.Close()
	if err := os.CopyFS(tree, files); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version="+commit[:12], "-o", program, "./cmd/registryd")
	build.Dir, build.Env = tree, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the previous release, %s: %w\n%s", commit, err, out)
	}
	return nil
}

// git asks the repository and gives the answer without its line break.
func git(args ...string) (string, error) {
	command := exec.Command("git", args...)
	command.Dir = root
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
