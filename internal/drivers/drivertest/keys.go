package drivertest

import (
	"strings"

	"github.com/registryd/registryd/internal/drivers"
)

var keyTests = []test{
	{"long and odd keys are keys", func(k *kit) {
		part := strings.Repeat("p", 255)
		for _, key := range []string{
			"x", "a/.hidden", "a/..b", "a/b.", "b/~!@#$%^&*()_+-=[]{};:'\",<>?|`", part + "/" + part + "/" + part + "/" + part[1:] + "/f", "c/" + part, "CON/aux", "d/%2e%2e",
		} {
			k.put(key, key)
			k.want(key, key)
			s := k.append(drivers.Session{}, "up/"+key[:min(len(key), 1021)], 1, 10)
			k.commit(s, content(1, 10))
		}
	}},
	{"upper and lower case differ", func(k *kit) {
		k.put("case/A", "upper")
		k.put("case/a", "lower")
		k.want("case/A", "upper")
		k.want("case/a", "lower")
	}},
	{"invalid keys are refused by every method", func(k *kit) {
		ctx := k.Context()
		k.put("kept", "kept")
		good := k.append(drivers.Session{}, "up", 1, 10)
		for _, key := range []string{
			"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", ".a", ".registryd/lock", ".registryd/tmp/x", "a b", "a\x00b", "a\nb", "a\\b",
			"\u00e4", "a\x7f", strings.Repeat("p", 256), strings.Repeat("p/", 512) + "p",
		} {
			_, err := k.d.Stat(ctx, key)
			k.wantErr("stat", err, drivers.ErrInvalidKey)
			_, _, err = k.d.Open(ctx, key, 0, -1)
			k.wantErr("open", err, drivers.ErrInvalidKey)
			for _, cond := range []drivers.Cond{{}, {IfAbsent: true}, {IfMatch: "x"}} {
				_, err = k.tryPut(key, "body", cond)
				k.wantErr("put", err, drivers.ErrInvalidKey)
			}
			k.wantErr("delete", k.d.Delete(ctx, "kept", key), drivers.ErrInvalidKey)
			_, err = k.d.Append(ctx, drivers.Session{}, key, &stream{id: 1, to: 10}, nil)
			k.wantErr("append with a fresh key", err, drivers.ErrInvalidKey)
			_, err = k.d.Append(ctx, good, key, &stream{id: 1, from: 10, to: 20}, nil)
			k.wantErr("append to a session", err, drivers.ErrInvalidKey)
			if key == "" {
				continue // a Session without a key is the start of an upload
			}
			bad := good
			bad.Key = key
			_, err = k.d.Append(ctx, bad, "fresh", &stream{id: 1, from: 10, to: 20}, nil)
			k.wantErr("append", err, drivers.ErrInvalidKey)
			_, err = k.d.Commit(ctx, bad)
			k.wantErr("commit", err, drivers.ErrInvalidKey)
			k.wantErr("abort", k.d.Abort(ctx, bad), drivers.ErrInvalidKey)
		}
		k.want("kept", "kept")
		k.commit(good, content(1, 10))
	}},
	{"a prefix that no key has lists nothing", func(k *kit) {
		k.put("a/b", "x")
		for _, prefix := range []string{"/", "../", ".registryd/", "./a", "a//", "a/../", "a/b/", "a/b/c", "\x00", "zz"} {
			if got := k.keys(drivers.ListOptions{Prefix: prefix}); len(got) != 0 {
				k.Errorf("prefix %q lists %q", prefix, got)
			}
		}
	}},
}
