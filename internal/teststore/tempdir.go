package teststore

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

// tempDir makes a folder for the data of a program. The program ends together with the test process, so nobody is left to remove the folder: the next
// one that is made does it.
func tempDir(name string) (string, error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), "registryd-test-*"))
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		if owner := ownerOf.FindStringSubmatch(filepath.Base(dir)); owner != nil {
			pid, err := strconv.Atoi(owner[1])
			if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
				_ = os.RemoveAll(dir)
			}
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("registryd-test-%d-%s-", os.Getpid(), name))
}

var ownerOf = regexp.MustCompile(`^registryd-test-(\d+)-`)
