package reference

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	distribution "github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// specTag is the expression of the OCI distribution spec, "Pulling manifests".
var specTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

var tags = []struct {
	tag string
	ok  bool
}{
	{"latest", true},
	{"_", true},
	{"1.2.3-alpine_x", true},
	{"V1", true},
	{"sha256-" + strings.Repeat("a", 64), true},
	{"a..b--", true},
	{strings.Repeat("a", 128), true},

	{"", false},
	{strings.Repeat("a", 129), false},
	{".a", false},
	{"-a", false},
	{"a/b", false},
	{"a:b", false},
	{"a+b", false},
	{"a b", false},
	{"a\n", false},
	{"a\x00", false},
	{"ä", false},
}

func TestParseTag(t *testing.T) {
	t.Parallel()
	for _, tc := range tags {
		t.Run(tc.tag, func(t *testing.T) {
			t.Parallel()
			checkTag(t, tc.tag)
			tag, err := ParseTag(tc.tag)
			if (err == nil) != tc.ok || tc.ok && tag.String() != tc.tag {
				t.Fatalf("ParseTag(%q) = %q, %v; want ok: %v", tc.tag, tag, err, tc.ok)
			}
			if err != nil && !errors.Is(err, ErrTag) {
				t.Fatalf("error %v is not ErrTag", err)
			}
		})
	}
}

func FuzzParseTag(f *testing.F) {
	for _, tc := range tags {
		f.Add(tc.tag)
	}
	f.Fuzz(checkTag)
}

func checkTag(t *testing.T, s string) {
	t.Helper()
	_, err := ParseTag(s)
	if want := specTag.MatchString(s); (err == nil) != want {
		t.Errorf("ParseTag(%q): %v; the spec says ok: %v", s, err, want)
	}
	named, _ := distribution.WithName("localhost/a")
	if _, theirs := distribution.WithTag(named, s); (err == nil) != (theirs == nil) {
		t.Errorf("ParseTag(%q): %v; the library says %v", s, err, theirs)
	}
}

func TestReferrersTag(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ digest, tag string }{
		// The table of the spec, "Referrers Tag Schema".
		{"sha256:" + strings.Repeat("a", 64), "sha256-" + strings.Repeat("a", 64)},
		{"sha512:" + strings.Repeat("a", 128), "sha512-" + strings.Repeat("a", 64)},
		{
			"test+algorithm+using+algorithm+separators+and+lots+of+characters+to+excercise+overall+truncation:" +
				"alsoSome=InTheEncodedSectionToShowHyphenReplacementAndLotsAndLotsOfCharactersToExcerciseEncodedTruncation",
			"test-algorithm-using-algorithm-s-alsoSome-InTheEncodedSectionToShowHyphenReplacementAndLotsAndLot",
		},
		{"a.b_c:x", "a.b_c-x"},
	} {
		got := ReferrersTag(digest.Digest(tc.digest))
		if string(got) != tc.tag {
			t.Errorf("ReferrersTag(%s) = %s, want %s", tc.digest, got, tc.tag)
		}
		if _, err := ParseTag(got.String()); err != nil {
			t.Errorf("ReferrersTag(%s): %v", tc.digest, err)
		}
	}
}
