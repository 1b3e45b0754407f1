package fs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// TestListRandomKeys compares listings with those of a sorted slice.
func TestListRandomKeys(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			root := t.TempDir()
			d := openHere(t, root, Options{ReadOnly: true}) // the files are written behind its back: it is the walk that is tested
			keys := randomKeys(t, rnd, root)
			for range 60 {
				opts := drivers.ListOptions{Prefix: randomCut(rnd, keys), After: randomCut(rnd, keys), Limit: rnd.IntN(8)}
				if rnd.IntN(2) == 0 {
					opts.Delimiter = "/"
				}
				if got, want := listAll(t, d, opts), expected(keys, opts); !slices.Equal(got, want) {
					t.Fatalf("keys %q\nlist %+v\n got %q\nwant %q", keys, opts, got, want)
				}
			}
		})
	}
}

// randomKeys makes files, some empty directories and some that hold only junk, and gives the keys in order.
func randomKeys(t *testing.T, rnd *rand.Rand, root string) []string {
	t.Helper()
	parts := []string{"a", "a-", "a.", "a0", "a-b", "b", "!", "~", "aa", "_", ".x"}
	keys := map[string]bool{}
	for range 40 {
		var path []string
		for range 1 + rnd.IntN(4) {
			path = append(path, parts[rnd.IntN(len(parts))])
		}
		key := strings.Join(path, "/")
		if drivers.CheckKey(key) != nil || os.MkdirAll(root+"/"+strings.Join(path[:len(path)-1], "/"), 0o700) != nil {
			continue
		}
		if fi, err := os.Stat(root + "/" + key); err == nil && fi.IsDir() || rnd.IntN(8) == 0 {
			continue
		}
		if err := os.WriteFile(root+"/"+key, []byte(key), 0o600); err == nil {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// randomCut gives nothing, a key, or the beginning of one.
func randomCut(rnd *rand.Rand, keys []string) string {
	if len(keys) == 0 || rnd.IntN(4) == 0 {
		return ""
	}
	key := keys[rnd.IntN(len(keys))]
	return key[:rnd.IntN(len(key)+1)]
}

func expected(keys []string, opts drivers.ListOptions) []string {
	var items []string
	for _, key := range keys {
		if !strings.HasPrefix(key, opts.Prefix) {
			continue
		}
		if i := strings.Index(key[len(opts.Prefix):], "/"); i >= 0 && opts.Delimiter != "" {
			key = key[:len(opts.Prefix)+i+1]
		}
		if key > opts.After && !slices.Contains(items, key) {
			items = append(items, key)
		}
	}
	return items
}

func listAll(t *testing.T, d *Driver, opts drivers.ListOptions) (all []string) {
	t.Helper()
	for {
		page, err := d.List(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		items := slices.Clone(page.Groups)
		for _, o := range page.Objects {
			items = append(items, o.Key)
		}
		slices.Sort(items)
		if opts.Limit > 0 && len(items) > opts.Limit || page.Next != "" && (len(items) == 0 || page.Next != items[len(items)-1]) {
			t.Fatalf("list %+v gave %q and then %q", opts, items, page.Next)
		}
		all = append(all, items...)
		if page.Next == "" {
			return all
		}
		if page.Next <= opts.After {
			t.Fatalf("list %+v leads on to %q", opts, page.Next)
		}
		opts.After = page.Next
	}
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	d := openHere(t, root, Options{})
	put(t, d, "a/b", "x")
	write(t, outside+"/secret", "secret")
	for _, err := range []error{
		os.Symlink(outside, root+"/out"),
		os.Symlink(outside+"/secret", root+"/a/link"),
		os.Symlink("b", root+"/a/inner"),
		syscall.Mkfifo(root+"/a/pipe", 0o600),
		os.MkdirAll(root+"/empty/of/objects", 0o700),
		os.WriteFile(root+"/a/with space", nil, 0o600),
		os.WriteFile(root+"/.hidden", nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := listAll(t, d, drivers.ListOptions{}); !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("listed: %q", got)
	}
	if got := listAll(t, d, drivers.ListOptions{Delimiter: "/"}); !slices.Equal(got, []string{"a/"}) {
		t.Errorf("groups: %q", got)
	}
	for _, key := range []string{"out/secret", "a/link", "a/pipe", "a", "empty/of/objects"} {
		if _, err := d.Stat(t.Context(), key); err == nil {
			t.Errorf("stat %s found something", key)
		}
		if r, _, err := d.Open(t.Context(), key, 0, -1); err == nil {
			_ = r.Close()
			t.Errorf("open %s found something", key)
		}
		if _, err := d.Put(t.Context(), key, strings.NewReader("y"), drivers.Cond{}); err == nil {
			t.Errorf("put %s replaced what is not an object", key)
		}
		_ = d.Delete(t.Context(), key)
	}
	if b, err := os.ReadFile(outside + "/secret"); err != nil || string(b) != "secret" {
		t.Errorf("the file outside holds %q, %v", b, err)
	}
}
