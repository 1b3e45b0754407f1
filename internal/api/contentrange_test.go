package api

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
)

var contentRanges = []struct {
	header string
	want   contentRange
	ok     bool
}{
	{"0-0", contentRange{0, 0}, true},
	{"0-1048575", contentRange{0, 1048575}, true},
	{"100-199", contentRange{100, 199}, true},
	{"007-008", contentRange{7, 8}, true},
	{"0-9223372036854775806", contentRange{0, 9223372036854775806}, true},
	{"bytes 0-9/10", contentRange{0, 9}, true},
	{"bytes 0-9/*", contentRange{0, 9}, true},
	{"Bytes 5-9/100", contentRange{5, 9}, true},

	{"", contentRange{}, false},
	{"-", contentRange{}, false},
	{"0", contentRange{}, false},
	{"0-", contentRange{}, false},
	{"-0", contentRange{}, false},
	{"0--1", contentRange{}, false},
	{"1-0", contentRange{}, false},
	{"-1-0", contentRange{}, false},
	{"+0-1", contentRange{}, false},
	{"0-+1", contentRange{}, false},
	{"0-1-2", contentRange{}, false},
	{" 0-1", contentRange{}, false},
	{"0-1 ", contentRange{}, false},
	{"0 - 1", contentRange{}, false},
	{"0-0x10", contentRange{}, false},
	{"0-1_0", contentRange{}, false},
	{"0-1.0", contentRange{}, false},
	{"0-１", contentRange{}, false},
	{"0-9223372036854775807", contentRange{}, false},
	{"0-9223372036854775808", contentRange{}, false},
	{"99999999999999999999-99999999999999999999", contentRange{}, false},
	{"0-9/10", contentRange{}, false},
	{"bytes=0-9", contentRange{}, false},
	{"bytes 0-9", contentRange{}, false},
	{"bytes */10", contentRange{}, false},
	{"bytes 0-9/9", contentRange{}, false},
	{"bytes 0-9/", contentRange{}, false},
	{"bytes 0-9/-1", contentRange{}, false},
	{"bytes 0-9/10/10", contentRange{}, false},
	{"bytes  0-9/10", contentRange{}, false},
	{"items 0-9/10", contentRange{}, false},
}

func TestParseContentRange(t *testing.T) {
	t.Parallel()
	for _, tc := range contentRanges {
		got, err := parseContentRange(tc.header)
		if (err == nil) != tc.ok || got != tc.want {
			t.Errorf("parseContentRange(%q) = %+v, %v; want %+v, ok: %v", tc.header, got, err, tc.want, tc.ok)
		}
		checkContentRange(t, tc.header)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, tc := range contentRanges {
		f.Add(tc.header)
	}
	f.Fuzz(checkContentRange)
}

// anyContentRange is the expression of the OCI distribution spec, "Pushing a blob in chunks", or the grammar of RFC 9110, section 14.4.
var anyContentRange = regexp.MustCompile(`^([0-9]+-[0-9]+|(?i:bytes) [0-9]+-[0-9]+/([0-9]+|\*))$`)

func checkContentRange(t *testing.T, header string) {
	t.Helper()
	r, err := parseContentRange(header)
	if err != nil {
		var refused *routeError
		if !errors.As(err, &refused) || refused.code != codeBlobUploadInvalid || r != (contentRange{}) {
			t.Fatalf("parseContentRange(%q) = %+v, %v", header, r, err)
		}
		return
	}
	if !anyContentRange.MatchString(header) || r.start < 0 || r.end < r.start || r.length() < 1 {
		t.Fatalf("parseContentRange(%q) = %+v", header, r)
	}
	for _, form := range []string{"%d-%d", "bytes %d-%d/*"} {
		if again, err := parseContentRange(fmt.Sprintf(form, r.start, r.end)); err != nil || again != r {
			t.Fatalf("%q is %+v, which is read back as %+v, %v", header, r, again, err)
		}
	}
}
