package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// What somebody removes underneath a server is an outage, which Ping shows; it is not the content that is not found.
func TestRemovedUnderneath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, remove string
		again        bool // a directory of that name is made anew
		put, upload  bool // fail
	}{
		{"the root", ".", false, true, true},
		{"the root, another in its place", ".", true, true, true},
		{"the driver's own", ownDir, false, true, true},
		{"tmp", tmpDir, false, true, false},
		{"staging", stagingDir, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "data")
			d := openHere(t, root, Options{})
			s, err := d.Append(t.Context(), drivers.Session{}, "data/up", &counting{to: 10}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(root, c.remove)); err != nil {
				t.Fatal(err)
			}
			if c.again {
				if err := os.MkdirAll(filepath.Join(root, tmpDir), dirMode); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Ping(t.Context()); !errors.Is(err, drivers.ErrUnavailable) || !strings.Contains(err.Error(), root) && !strings.Contains(err.Error(), c.remove) {
				t.Errorf("ping gave %v", err)
			}
			for name, call := range map[string]struct {
				fails bool
				run   func() error
			}{
				"put": {c.put, func() error { _, err := d.Put(t.Context(), "a/b", strings.NewReader("x"), drivers.Cond{}); return err }},
				"new": {c.upload, func() error {
					_, err := d.Append(t.Context(), drivers.Session{}, "data/new", &counting{to: 10}, nil)
					return err
				}},
				"append": {c.upload, func() error {
					_, err := d.Append(t.Context(), s, "data/x", &counting{from: 10, to: 20}, nil)
					return err
				}},
				"commit": {c.upload, func() error { _, err := d.Commit(t.Context(), s); return err }},
			} {
				if err := call.run(); call.fails != errors.Is(err, drivers.ErrUnavailable) {
					t.Errorf("%s gave %v", name, err)
				}
			}
		})
	}
}

// An upload that is gone is not found as long as there is a place for uploads.
func TestUploadGone(t *testing.T) {
	t.Parallel()
	d := openHere(t, t.TempDir(), Options{})
	s := drivers.Session{Key: "data/up", Offset: 10}
	_, aerr := d.Append(t.Context(), s, "data/x", &counting{from: 10, to: 20}, nil)
	_, cerr := d.Commit(t.Context(), s)
	if !errors.Is(aerr, drivers.ErrNotFound) || !errors.Is(cerr, drivers.ErrNotFound) {
		t.Errorf("append gave %v, commit %v", aerr, cerr)
	}
}

func TestPingReadOnly(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(root, dirMode); err != nil {
		t.Fatal(err)
	}
	d := openHere(t, root, Options{ReadOnly: true})
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	if err := d.Ping(t.Context()); !errors.Is(err, drivers.ErrUnavailable) {
		t.Errorf("ping gave %v", err)
	}
}
