package reference

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	distribution "github.com/distribution/reference"
)

// specName is the expression of the OCI distribution spec, "Pulling manifests".
var specName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

var names = []struct {
	name string
	ok   bool
}{
	{"a", true},
	{"0", true},
	{"library/busybox", true},
	{"a/b/c/d/e/f", true},
	{"a.b_c__d-e---f", true},
	{"blobs/uploads/manifests/tags/list", true},
	{"127.0.0.1/x", true},
	{strings.Repeat("a", 255), true},
	{strings.Repeat("a/", 127) + "a", true},
	{"a" + strings.Repeat("-", 253) + "a", true},

	{"", false},
	{strings.Repeat("a", 256), false},
	{strings.Repeat("a/", 128) + "a", false},
	{"A", false},
	{"a/B", false},
	{"/a", false},
	{"a/", false},
	{"a//b", false},
	{".", false},
	{"..", false},
	{"a/../b", false},
	{"a/./b", false},
	{"a..b", false},
	{"a___b", false},
	{"a._b", false},
	{"a-.b", false},
	{"a_-b", false},
	{"-a", false},
	{"a-", false},
	{"a-/b", false},
	{"a/-b", false},
	{"_catalog", false},
	{"a_", false},
	{"a:b", false},
	{"a@b", false},
	{"a%2Fb", false},
	{"a b", false},
	{"a\n", false},
	{"a\x00", false},
	{"é", false},
	{"ａ", false},
}

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, tc := range names {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			checkName(t, tc.name)
			n, err := ParseName(tc.name)
			if (err == nil) != tc.ok {
				t.Fatalf("ParseName(%q) = %q, %v; want ok: %v", tc.name, n, err, tc.ok)
			}
			if tc.ok && n.String() != tc.name || !tc.ok && n != "" {
				t.Fatalf("ParseName(%q) = %q", tc.name, n)
			}
			if err != nil && !errors.Is(err, ErrName) {
				t.Fatalf("error %v is not ErrName", err)
			}
		})
	}
}

func FuzzParseName(f *testing.F) {
	for _, tc := range names {
		f.Add(tc.name)
	}
	f.Fuzz(checkName)
}

// checkName compares ParseName with the spec's expression and with the library that clients use.
func checkName(t *testing.T, s string) {
	t.Helper()
	_, err := ParseName(s)
	if want := len(s) <= MaxName && specName.MatchString(s); (err == nil) != want {
		t.Errorf("ParseName(%q): %v; the spec says ok: %v", s, err, want)
	}
	// The library takes a first part that looks like a host for one, so it is given a host to take.
	named, theirs := distribution.WithName("localhost/" + s)
	if theirs == nil && distribution.Path(named) != s {
		t.Errorf("the library reads %q as %q", s, distribution.Path(named))
	}
	if (err == nil) != (theirs == nil) {
		t.Errorf("ParseName(%q): %v; the library says %v", s, err, theirs)
	}
}
