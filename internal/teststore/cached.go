package teststore

import (
	"os"
	"path/filepath"
)

// Cached gives the program of that name from the cache folder. Where it is not there yet, build makes it at the path that it is given; a name must tell of
// everything that the program depends on.
func Cached(name string, build func(path string) error) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	unlock, err := lockFile(path + ".lock") // another test process may be building it
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unfinished := path + ".part"
	if err := build(unfinished); err != nil {
		return "", err
	}
	return path, os.Rename(unfinished, path)
}
