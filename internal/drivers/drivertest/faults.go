package drivertest

import (
	"errors"
	"io"
	"slices"

	"github.com/registryd/registryd/internal/drivers"
)

// These tests let each step of each call fail, in both ways, and do what a caller does then: ask, or do it again.
var faultTests = slices.Concat(objectFaults, uploadFaults)

var objectFaults = []test{
	{"reads", func(k *kit) {
		info := k.put("a/b", "body")
		k.eachFault(func(f *trial) {
			var got drivers.Info
			if f.during(func() (err error) { got, err = k.d.Stat(k.Context(), "a/b"); return err }) == nil {
				k.same("stat", got, info)
			}
		})
		k.eachFault(func(f *trial) {
			var r io.ReadCloser
			if f.during(func() (err error) { r, _, err = k.d.Open(k.Context(), "a/b", 1, -1); return err }) == nil {
				b, err := io.ReadAll(r)
				k.must(errors.Join(err, r.Close()))
				if string(b) != "ody" {
					k.Fatalf("open gave %q", b)
				}
			}
		})
		for _, opts := range []drivers.ListOptions{{}, {Delimiter: "/"}} {
			k.eachFault(func(f *trial) {
				var page drivers.Page
				if f.during(func() (err error) { page, err = k.d.List(k.Context(), opts); return err }) == nil && len(page.Objects)+len(page.Groups) != 1 {
					k.Fatalf("list gave %+v", page)
				}
			})
		}
		k.eachFault(func(f *trial) { _ = f.during(func() error { return k.d.Ping(k.Context()) }) })
		k.want("a/b", "body")
	}},
	{"put", func(k *kit) {
		k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			k.put(key, "old")
			again := func() error { _, err := k.tryPut(key, "new", drivers.Cond{}); return err }
			if f.during(again) != nil {
				if body, _ := k.read(key); body != "old" && body != "new" {
					k.Fatalf("the object is %q", body)
				}
				f.restart()
				k.must(again())
			}
			k.want(key, "new")
		})
	}},
	{"put of a new key", func(k *kit) {
		f := k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			cond := drivers.Cond{IfAbsent: true}
			create := func() error { _, err := k.tryPut(key, "ours", cond); return err }
			if f.during(create) != nil {
				k.whole(key, "ours")
				f.restart()
				f.mineOrRetry(key, "ours", create())
			}
			k.want(key, "ours")
			if _, err := k.tryPut(key, "theirs", cond); !errors.Is(err, drivers.ErrPrecondition) {
				k.Fatalf("a second creation gave %v", err)
			}
		})
		f.wantBoth()
	}},
	{"compare and swap", func(k *kit) {
		f := k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			cond := drivers.Cond{IfMatch: k.put(key, "old").ETag}
			swap := func() error { _, err := k.tryPut(key, "ours", cond); return err }
			if f.during(swap) != nil {
				if body, _ := k.read(key); body != "old" && body != "ours" {
					k.Fatalf("the object is %q", body)
				}
				f.restart()
				f.mineOrRetry(key, "ours", swap())
			}
			k.want(key, "ours")
		})
		f.wantBoth()
	}},
	{"delete", func(k *kit) {
		k.eachFault(func(f *trial) {
			keys := []string{f.id + "/a/1", f.id + "/a/2", f.id + "/b/1"}
			for _, key := range keys {
				k.put(key, "body")
			}
			again := func() error { return k.d.Delete(k.Context(), keys...) }
			if f.during(again) != nil {
				for _, key := range keys {
					k.whole(key, "body")
				}
				f.restart()
				k.must(again())
			}
			for _, key := range keys {
				k.wantAbsent(key)
			}
			if left := k.keys(drivers.ListOptions{Prefix: f.id + "/", Delimiter: "/"}); len(left) > 0 {
				k.Fatalf("left: %q", left)
			}
		})
	}},
}
