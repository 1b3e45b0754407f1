package reference

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// specDigest is the grammar of the OCI image spec, "Digests".
var specDigest = regexp.MustCompile(`^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`)

var (
	hex64  = strings.Repeat("0123456789abcdef", 4)
	hex128 = hex64 + hex64
)

var digests = []struct {
	digest string
	err    error
}{
	{"sha256:" + hex64, nil},
	{"sha512:" + hex128, nil},

	{"", ErrDigest},
	{":", ErrDigest},
	{"sha256", ErrDigest},
	{"sha256:", ErrDigest},
	{":" + hex64, ErrDigest},
	{"sha256:baddigeststring", ErrDigest},
	{"sha256:" + hex64[1:], ErrDigest},
	{"sha256:" + hex64 + "0", ErrDigest},
	{"sha256:" + hex128, ErrDigest},
	{"sha512:" + hex64, ErrDigest},
	{"sha256:" + strings.ToUpper(hex64), ErrDigest},
	{"sha256:" + hex64[1:] + "G", ErrDigest},
	{"sha256:G" + hex64[1:], ErrDigest},
	{"sha256:" + hex64[:32] + "_" + hex64[33:], ErrDigest},
	{"SHA256:" + hex64, ErrDigest},
	{"sha256:" + hex64 + "\n", ErrDigest},
	{" sha256:" + hex64, ErrDigest},
	{"sha256:sha256:" + hex64, ErrDigest},
	{"sha256+:" + hex64, ErrDigest},
	{"+sha256:" + hex64, ErrDigest},
	{"a++b:" + hex64, ErrDigest},
	{"sha1:a.b", ErrDigest},
	{"md5:a/b", ErrDigest},
	{"ä:" + hex64, ErrDigest},

	{"md5:d41d8cd98f00b204e9800998ecf8427e", ErrAlgorithm},
	{"sha384:" + hex64 + hex64[:32], ErrAlgorithm},
	{"sha2566:" + hex64, ErrAlgorithm},
	{"tarsum.v1+sha256:" + hex64, ErrAlgorithm},
	{"multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", ErrAlgorithm},
	{"x:A=_-", ErrAlgorithm},
}

func TestParseDigest(t *testing.T) {
	t.Parallel()
	for _, tc := range digests {
		t.Run(tc.digest, func(t *testing.T) {
			t.Parallel()
			checkDigest(t, tc.digest)
			d, err := ParseDigest(tc.digest)
			if !errors.Is(err, tc.err) || tc.err == nil && d.String() != tc.digest || tc.err != nil && d != "" {
				t.Fatalf("ParseDigest(%q) = %q, %v; want %v", tc.digest, d, err, tc.err)
			}
		})
	}
}

func FuzzParseDigest(f *testing.F) {
	for _, tc := range digests {
		f.Add(tc.digest)
	}
	f.Fuzz(checkDigest)
}

// checkDigest compares ParseDigest with the spec's grammar and with go-digest, which knows one algorithm more.
func checkDigest(t *testing.T, s string) {
	t.Helper()
	d, err := ParseDigest(s)
	wellFormed := specDigest.MatchString(s)
	valid := wellFormed && digest.Digest(s).Validate() == nil && digest.Digest(s).Algorithm() != digest.SHA384
	if (err == nil) != valid {
		t.Errorf("ParseDigest(%q): %v; go-digest says ok: %v", s, err, valid)
	}
	if err == nil && (string(d) != s || !d.Algorithm().Available()) {
		t.Errorf("ParseDigest(%q) = %q", s, d)
	}
	if errors.Is(err, ErrAlgorithm) && !wellFormed {
		t.Errorf("ParseDigest(%q): %v, but it is malformed", s, err)
	}
	if err != nil && errors.Is(err, ErrAlgorithm) == errors.Is(err, ErrDigest) {
		t.Errorf("ParseDigest(%q): %v is not of one kind", s, err)
	}
}

func TestParseAlgorithm(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{"sha256": true, "sha512": true, "": false, "sha384": false, "SHA256": false, "md5": false, "sha256 ": false} {
		a, err := ParseAlgorithm(s)
		if (err == nil) != ok || ok && string(a) != s || !ok && !errors.Is(err, ErrAlgorithm) {
			t.Errorf("ParseAlgorithm(%q) = %q, %v; want ok: %v", s, a, err, ok)
		}
	}
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in       string
		isDigest bool
		err      error
	}{
		{"latest", false, nil},
		{"sha256", false, nil},
		{"sha256:" + hex64, true, nil},
		{"sha512:" + hex128, true, nil},
		{"", false, ErrTag},
		{"a/b", false, ErrTag},
		{"latest:", false, ErrDigest},
		{"sha256:abc", false, ErrDigest},
		{"md5:abc", false, ErrAlgorithm},
	} {
		r, err := ParseReference(tc.in)
		if !errors.Is(err, tc.err) || r.IsDigest() != tc.isDigest {
			t.Errorf("ParseReference(%q) = %+v, %v; want digest: %v, %v", tc.in, r, err, tc.isDigest, tc.err)
		}
		if tc.err == nil && r.String() != tc.in || tc.err != nil && r != (Reference{}) {
			t.Errorf("ParseReference(%q) = %+v", tc.in, r)
		}
	}
}

func TestErrorsAreShortAndPrintable(t *testing.T) {
	t.Parallel()
	_, err := ParseName(strings.Repeat("\x1b[31m\xff", 1000))
	if len(err.Error()) > 700 || strings.Contains(err.Error(), "\x1b") || !utf8.ValidString(err.Error()) {
		t.Errorf("error is %q", err)
	}
}
