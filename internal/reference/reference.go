// Package reference holds what the distribution protocol calls things by: repository names, tags and digests. Whatever has one of its types
// was checked against the grammar of the OCI distribution spec, so that the layers below may build keys from it without a second look.
package reference

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The errors of this package wrap one of these, and are plain sentences that may be shown to a client.
var (
	ErrName      = errors.New("invalid repository name")
	ErrTag       = errors.New("invalid tag")
	ErrDigest    = errors.New("malformed digest")
	ErrAlgorithm = errors.New("unsupported digest algorithm")
)

// Reference is the last part of a manifest's path: a tag or a digest. Exactly one of its fields is set.
type Reference struct {
	Tag    Tag
	Digest digest.Digest
}

// IsDigest tells whether r is a digest.
func (r Reference) IsDigest() bool { return r.Digest != "" }

// String gives r as it stands in a path.
func (r Reference) String() string {
	if r.IsDigest() {
		return r.Digest.String()
	}
	return string(r.Tag)
}

// ParseReference reads a tag or a digest. No tag holds a ':' and every digest does.
func ParseReference(s string) (Reference, error) {
	if strings.Contains(s, ":") {
		d, err := ParseDigest(s)
		return Reference{Digest: d}, err
	}
	t, err := ParseTag(s)
	return Reference{Tag: t}, err
}

// quote makes what a client sent fit to stand in an error.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

func refuse(kind error, value, advice string) error {
	return fmt.Errorf("%w %s: %s", kind, quote(value), advice)
}
