package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// kit is what the tests of the suite say things with.
type kit struct {
	*testing.T
	h *Harness
	d drivers.Driver
	n int
}

// fresh gives a key that was never used.
func (k *kit) fresh() string {
	k.n++
	return fmt.Sprintf("fresh/%d", k.n)
}

// reopen goes on as another process.
func (k *kit) reopen() {
	k.Helper()
	k.d = k.h.Reopen(k.T)
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kit) wantErr(what string, err, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func (k *kit) tryPut(key, body string, cond drivers.Cond) (drivers.Info, error) {
	return k.d.Put(k.Context(), key, strings.NewReader(body), cond)
}

// put writes without a condition.
func (k *kit) put(key, body string) drivers.Info {
	k.Helper()
	info, err := k.tryPut(key, body, drivers.Cond{})
	k.must(err)
	if info.Key != key || info.Size != int64(len(body)) || info.ETag == "" {
		k.Fatalf("put %s of %d bytes gave %+v", key, len(body), info)
	}
	return info
}

// read gives the object at key, and checks that Open, Stat and List agree about it.
func (k *kit) read(key string) (string, drivers.Info) {
	k.Helper()
	r, info, err := k.d.Open(k.Context(), key, 0, -1)
	k.must(err)
	b, err := io.ReadAll(r)
	k.must(err)
	k.must(r.Close())
	k.agree(key, info)
	if info.Size != int64(len(b)) {
		k.Fatalf("open %s gave %d bytes, and says %d", key, len(b), info.Size)
	}
	return string(b), info
}

// agree checks that Stat and List say what Open or a write said about key.
func (k *kit) agree(key string, info drivers.Info) {
	k.Helper()
	stat, err := k.d.Stat(k.Context(), key)
	k.must(err)
	k.same("stat", stat, info)
	page, err := k.d.List(k.Context(), drivers.ListOptions{Prefix: key, Limit: 1})
	k.must(err)
	if len(page.Objects) != 1 {
		k.Fatalf("list with the prefix %s gave %+v", key, page)
	}
	k.same("list", page.Objects[0], info)
}

func (k *kit) same(what string, got, want drivers.Info) {
	k.Helper()
	if got.Key != want.Key || got.Size != want.Size || got.ETag != want.ETag {
		k.Fatalf("%s gave %+v, want %+v", what, got, want)
	}
	if got.ModTime.IsZero() {
		k.Fatalf("%s gave no time: %+v", what, got)
	}
}

func (k *kit) want(key, body string) drivers.Info {
	k.Helper()
	got, info := k.read(key)
	if got != body {
		k.Fatalf("%s holds %.60q, want %.60q", key, got, body)
	}
	return info
}

func (k *kit) wantAbsent(key string) {
	k.Helper()
	_, err := k.d.Stat(k.Context(), key)
	k.wantErr("stat "+key, err, drivers.ErrNotFound)
	r, _, err := k.d.Open(k.Context(), key, 0, -1)
	if err == nil {
		_ = r.Close()
	}
	k.wantErr("open "+key, err, drivers.ErrNotFound)
	if all := k.keys(drivers.ListOptions{Prefix: key}); slices.Contains(all, key) {
		k.Fatalf("%s is listed, but there is no such object", key)
	}
}

// keys lists all pages and gives objects and groups in the order they belong.
func (k *kit) keys(opts drivers.ListOptions) []string {
	k.Helper()
	var all []string
	for {
		page, err := k.d.List(k.Context(), opts)
		k.must(err)
		items := slices.Clone(page.Groups)
		for _, o := range page.Objects {
			items = append(items, o.Key)
		}
		slices.Sort(items)
		if opts.Limit > 0 && len(items) > opts.Limit {
			k.Fatalf("list %+v gave %d items", opts, len(items))
		}
		all = append(all, items...)
		if page.Next == "" {
			return all
		}
		if page.Next <= opts.After || len(items) > 0 && page.Next < items[len(items)-1] {
			k.Fatalf("list %+v goes on after %q, which does not lead on from %q", opts, page.Next, items)
		}
		opts.After = page.Next
	}
}

// holds checks the object at key against want, without keeping either in memory.
func (k *kit) holds(key string, want io.Reader) drivers.Info {
	k.Helper()
	r, info, err := k.d.Open(k.Context(), key, 0, -1)
	k.must(err)
	defer r.Close()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := 0; ; {
		n, aerr := io.ReadFull(r, a)
		m, berr := io.ReadFull(want, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			k.Fatalf("%s holds other bytes than it should, near offset %d (%d and %d bytes follow)", key, off, n, m)
		}
		if aerr != nil || berr != nil {
			k.agree(key, info)
			return info
		}
		off += n
	}
}

// readAll reads one object without a test at hand, for goroutines.
func readAll(ctx context.Context, d drivers.Driver, key string) (string, drivers.Info, error) {
	r, info, err := d.Open(ctx, key, 0, -1)
	if err != nil {
		return "", info, err
	}
	b, err := io.ReadAll(r)
	return string(b), info, errors.Join(err, r.Close())
}
