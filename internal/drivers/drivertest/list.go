package drivertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/registryd/registryd/internal/drivers"
)

// listed are keys whose byte order differs from that of a walk of folders.
var listed = []string{
	"a-b/x", "a.b/x", "a/b-c/1", "a/b.c", "a/b/1", "a/b/2", "a/b0", "a/z", "a0", "a0b/c/d/e", "b",
	"tags/1.2", "tags/1.2-alpine", "tags/1.2.1", "tags/1.20", "tags/A", "tags/_", "z/z/z/z",
}

var listTests = []test{
	{"an empty store", func(k *kit) {
		for _, opts := range []drivers.ListOptions{{}, {Delimiter: "/"}, {Prefix: "a/"}, {Prefix: "a", After: "b", Limit: 1}} {
			page, err := k.d.List(k.Context(), opts)
			k.must(err)
			if len(page.Objects)+len(page.Groups) > 0 || page.Next != "" {
				k.Errorf("list %+v of nothing gave %+v", opts, page)
			}
		}
	}},
	{"byte order, page after page, with every limit", func(k *kit) {
		k.fill()
		for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "tags/1.2", "b", "nothing"} {
			for _, delimiter := range []string{"", "/"} {
				for limit := range len(listed) + 2 {
					k.compare(drivers.ListOptions{Prefix: prefix, Delimiter: delimiter, Limit: limit})
				}
			}
		}
	}},
	{"after any place", func(k *kit) {
		k.fill()
		after := []string{"a-", "a/", "a/b", "a/b/", "a/b/0", "a/b/1\x00", "a/b/~", "a-b/", "a.b/", "a0b/c", "a0b/c/", "a0b/zz", "tags", "tags/1.2-", "tags/1.2.", "zz", "z/z/", "~", "\xff"}
		after = append(after, listed...)
		for _, prefix := range []string{"", "a", "a/", "a/b", "tags/"} {
			for _, delimiter := range []string{"", "/"} {
				for _, a := range after {
					k.compare(drivers.ListOptions{Prefix: prefix, Delimiter: delimiter, After: a})
					k.compare(drivers.ListOptions{Prefix: prefix, Delimiter: delimiter, After: a, Limit: 2})
				}
			}
		}
	}},
	{"more than a page of the driver's own size", func(k *kit) {
		var want []string
		for i := range 1003 {
			want = append(want, fmt.Sprintf("many/%04d", i))
		}
		k.together(16, func(i int) error {
			for n := i; n < len(want); n += 16 {
				if _, err := k.tryPut(want[n], "", drivers.Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
		for _, limit := range []int{0, 500, 1003, 5000} {
			if got := k.keys(drivers.ListOptions{Prefix: "many/", Limit: limit}); !slices.Equal(got, want) {
				k.Fatalf("limit %d: %d keys, want %d", limit, len(got), len(want))
			}
		}
	}},
	{"the sizes and ETags are those of the objects", func(k *kit) {
		k.fill()
		page, err := k.d.List(k.Context(), drivers.ListOptions{Limit: 3})
		k.must(err)
		for _, o := range page.Objects {
			stat, err := k.d.Stat(k.Context(), o.Key)
			k.must(err)
			k.same("stat", stat, o)
		}
	}},
	{"an upload is not listed", func(k *kit) {
		k.put("data/x", "x")
		k.append(drivers.Session{}, "data/up", 1, 100)
		if got := k.keys(drivers.ListOptions{}); !k.h.Direct && !slices.Equal(got, []string{"data/x"}) {
			k.Fatalf("listed: %q", got)
		}
	}},
	{"while others write and delete", func(k *kit) {
		k.fill()
		k.together(3, func(i int) error {
			for n := range 25 {
				key := fmt.Sprintf("moving/%d/%d", i, n%3)
				if _, err := k.tryPut(key, "x", drivers.Cond{}); err != nil {
					return err
				}
				got, err := allKeys(k, drivers.ListOptions{Limit: 4})
				if err != nil {
					return err
				}
				still := slices.DeleteFunc(got, func(key string) bool { return strings.HasPrefix(key, "moving/") })
				if !slices.Equal(still, listed) {
					return fmt.Errorf("what nobody touched is listed as %q", still)
				}
				if err := k.d.Delete(k.Context(), key); err != nil {
					return err
				}
			}
			return nil
		})
	}},
}

// fill puts listed, in no order.
func (k *kit) fill() {
	k.Helper()
	for i := range listed {
		key := listed[i*7%len(listed)]
		k.put(key, key)
	}
}

// compare lists all pages of opts and checks them against what the contract says about listed.
func (k *kit) compare(opts drivers.ListOptions) {
	k.Helper()
	if got, want := k.keys(opts), model(listed, opts); !slices.Equal(got, want) {
		k.Fatalf("list %+v:\n got %q\nwant %q", opts, got, want)
	}
}

// model says what a listing of keys, which are in order, consists of.
func model(keys []string, opts drivers.ListOptions) []string {
	var items []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, opts.Prefix)
		if !ok {
			continue
		}
		if opts.Delimiter != "" {
			if head, _, ok := strings.Cut(rest, opts.Delimiter); ok {
				key = opts.Prefix + head + opts.Delimiter
			}
		}
		if key > opts.After && (len(items) == 0 || items[len(items)-1] != key) {
			items = append(items, key)
		}
	}
	return items
}

// allKeys is keys for goroutines.
func allKeys(k *kit, opts drivers.ListOptions) (all []string, err error) {
	for {
		page, err := k.d.List(k.Context(), opts)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			all = append(all, o.Key)
		}
		if page.Next == "" {
			return all, nil
		}
		if page.Next <= opts.After {
			return nil, fmt.Errorf("list %+v leads on to %q", opts, page.Next)
		}
		opts.After = page.Next
	}
}
