package reference

import (
	"strings"

	"github.com/opencontainers/go-digest"
)

// MaxTag is the length of the longest tag, in bytes.
const MaxTag = 128

// Tag is a tag, such as latest.
type Tag string

// String gives t as text.
func (t Tag) String() string { return string(t) }

// ParseTag reads a tag (OCI distribution spec, "Pulling manifests"): [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
func ParseTag(s string) (Tag, error) {
	ok := s != "" && len(s) <= MaxTag && s[0] != '.' && s[0] != '-'
	for i := 0; ok && i < len(s); i++ {
		ok = tagByte(s[i])
	}
	if !ok {
		return "", refuse(ErrTag, s, "use 1 to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'")
	}
	return Tag(s), nil
}

func tagByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-'
}

// ReferrersTag is the tag under which clients keep the referrers of d at registries that have no referrers API (OCI distribution spec,
// "Referrers Tag Schema"). d need not be of a supported algorithm, but of the form <algorithm>:<encoded>.
func ReferrersTag(d digest.Digest) Tag {
	algorithm, encoded, _ := strings.Cut(string(d), ":")
	tag := []byte(algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), 64)])
	for i, c := range tag {
		if !tagByte(c) {
			tag[i] = '-'
		}
	}
	return Tag(tag)
}
