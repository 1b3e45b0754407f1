package drivertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/registryd/registryd/internal/drivers"
)

var objectTests = []test{
	{"put and read back", putAndRead},
	{"what was never put is absent", func(k *kit) {
		k.put("a/b", "x")
		for _, key := range []string{"a", "a/c", "a/b/c", "b"} {
			k.wantAbsent(key)
		}
	}},
	{"put replaces, and the ETag changes with the content", func(k *kit) {
		seen := map[string]string{}
		for i := range 10 {
			body := fmt.Sprintf("body %d", i) // all of one size
			info := k.put("key", body)
			if other, ok := seen[info.ETag]; ok {
				k.Fatalf("%q and %q have the same ETag %s", other, body, info.ETag)
			}
			seen[info.ETag] = body
			k.same("open", k.want("key", body), info)
		}
	}},
	{"put starts at the body's position", func(k *kit) {
		body := strings.NewReader("0123456789")
		_, err := body.Seek(4, io.SeekStart)
		k.must(err)
		_, err = k.d.Put(k.Context(), "key", body, drivers.Cond{})
		k.must(err)
		k.want("key", "456789")
	}},
	{"a body that fails writes nothing", func(k *kit) {
		k.put("old", "old")
		for _, cause := range []error{errors.New("no more"), io.ErrUnexpectedEOF} {
			for _, key := range []string{"old", "new"} {
				_, err := k.d.Put(k.Context(), key, &broken{Reader: bytes.NewReader(make([]byte, 1<<20)), at: 1 << 19, err: cause}, drivers.Cond{})
				k.wantErr("put", err, cause)
			}
			k.want("old", "old")
			k.wantAbsent("new")
		}
	}},
	{"ranges", ranges},
	{"an open reader keeps the object it opened", func(k *kit) {
		old := strings.Repeat("old", 1<<20)
		info := k.put("key", old)
		r, opened, err := k.d.Open(k.Context(), "key", 0, -1)
		k.must(err)
		defer r.Close()
		k.same("open", opened, info)
		head := make([]byte, 3)
		_, err = io.ReadFull(r, head)
		k.must(err)
		k.put("key", "new")
		rest, err := io.ReadAll(r)
		if err == nil && string(head)+string(rest) != old {
			k.Fatal("the reader gave bytes of both objects")
		}
		k.want("key", "new")
	}},
	{"delete", func(k *kit) {
		for _, key := range []string{"a/b/c", "a/d", "e"} {
			k.put(key, key)
		}
		k.must(k.d.Delete(k.Context()))
		k.must(k.d.Delete(k.Context(), "absent", "a/absent", "no/such/folder", "e/f", "a"))
		k.must(k.d.Delete(k.Context(), "a/b/c", "e", "a/b/c", "absent"))
		k.wantAbsent("a/b/c")
		k.wantAbsent("e")
		k.want("a/d", "a/d")
		k.must(k.d.Delete(k.Context(), "a/d"))
		if got := k.keys(drivers.ListOptions{Delimiter: "/"}); len(got) != 0 {
			k.Fatalf("folders left empty are listed: %q", got)
		}
		k.put("a", "a key where a folder was")
		k.want("a", "a key where a folder was")
	}},
	{"delete of more keys than a request can name", func(k *kit) {
		var all []string
		for i := range 1100 {
			all = append(all, fmt.Sprintf("many/%02d/%d", i%7, i))
		}
		for _, key := range append(all[1050:], all[:3]...) {
			k.put(key, "x")
		}
		k.put("many/kept", "x")
		k.must(k.d.Delete(k.Context(), all...))
		if got := k.keys(drivers.ListOptions{}); len(got) != 1 || got[0] != "many/kept" {
			k.Fatalf("left: %q", got)
		}
	}},
	{"another process sees what was acknowledged", func(k *kit) {
		info := k.put("a/b", "x")
		k.put("a/c", "x")
		k.must(k.d.Delete(k.Context(), "a/c"))
		k.reopen()
		k.same("open", k.want("a/b", "x"), info)
		k.wantAbsent("a/c")
		k.must(k.d.Ping(k.Context()))
	}},
}

func putAndRead(k *kit) {
	for _, size := range []int{0, 1, 1000, 1<<20 + 1} {
		key, body := fmt.Sprintf("a/%d", size), strings.Repeat("0123456", size/7+1)[:size]
		info := k.put(key, body)
		k.same("open", k.want(key, body), info)
	}
}

func ranges(k *kit) {
	const body = "0123456789"
	k.put("key", body)
	k.put("empty", "")
	for _, c := range []struct {
		key    string
		off, n int64
		want   string
	}{
		{"key", 0, -1, body}, {"key", 0, 10, body}, {"key", 0, 11, body}, {"key", 3, 4, "3456"}, {"key", 9, 1, "9"}, {"key", 9, 5, "9"}, {"key", 5, -7, "56789"},
		{"key", 0, 0, ""}, {"key", 5, 0, ""}, {"key", 10, -1, ""}, {"key", 10, 1, ""}, {"key", 11, -1, ""}, {"key", 1 << 40, 5, ""}, {"key", 2, 1<<63 - 1, "23456789"},
		{"empty", 0, -1, ""}, {"empty", 0, 5, ""}, {"empty", 3, -1, ""},
	} {
		r, info, err := k.d.Open(k.Context(), c.key, c.off, c.n)
		if err != nil {
			k.Errorf("open %s at %d for %d: %v", c.key, c.off, c.n, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || string(got) != c.want {
			k.Errorf("open %s at %d for %d: got %q, %v, want %q", c.key, c.off, c.n, got, err, c.want)
		}
		k.agree(c.key, info) // Size is that of the whole object
	}
	for _, off := range []int64{0, 5} {
		_, _, err := k.d.Open(k.Context(), "absent", off, 1)
		k.wantErr("open", err, drivers.ErrNotFound)
	}
	if _, _, err := k.d.Open(k.Context(), "key", -1, 1); err == nil {
		k.Error("a negative offset was accepted")
	}
}

// broken is a body that fails once it was read up to at.
type broken struct {
	*bytes.Reader
	at  int64
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	left := b.at - (b.Size() - int64(b.Len()))
	if left <= 0 {
		return 0, b.err
	}
	return b.Reader.Read(p[:min(int64(len(p)), left)])
}

func (b *broken) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }
