package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keptSecret gives the secret that belongs to the data in root, and makes one the first time: an upload then survives a restart though nobody
// configured http.secret. It is 32 random bytes in hex, readable by this user only.
func keptSecret(root string) (string, error) {
	dir := filepath.Join(root, ".registryd") // where no key of the store can point
	name := filepath.Join(dir, "secret")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make a place for the secret: %w; let this user write there, or set http.secret", err)
	}
	secret, err := readSecret(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(dir, name); err != nil {
		return "", fmt.Errorf("cannot keep a new secret: %w; let this user write there, or set http.secret", err)
	}
	return readSecret(name)
}

func readSecret(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w; let this user read it, or set http.secret", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < 32 {
		return "", fmt.Errorf("%s holds no secret; remove it, which ends running uploads, or set http.secret", name)
	}
	return secret, nil
}

// makeSecret writes the file whole and durable, or not at all. If another process was faster, its secret stays.
func makeSecret(dir, name string) error {
	random := make([]byte, 32)
	rand.Read(random) // crypto/rand.Read never fails
	f, err := os.CreateTemp(dir, "secret-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(random) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
