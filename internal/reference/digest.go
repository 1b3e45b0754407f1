package reference

import (
	_ "crypto/sha256" // registers what go-digest computes with
	_ "crypto/sha512"
	"strings"

	"github.com/opencontainers/go-digest"
)

const (
	digestAdvice    = "write it as sha256: or sha512: and the lower-case hex of the hash, 64 or 128 digits"
	algorithmAdvice = "use sha256 or sha512"
)

// encodedLength is the length of the hex of each supported algorithm. go-digest knows sha384 too; the image spec does not register it.
var encodedLength = map[digest.Algorithm]int{digest.SHA256: 64, digest.SHA512: 128}

// ParseAlgorithm reads the name of a supported digest algorithm: sha256 or sha512. Its error wraps ErrAlgorithm.
func ParseAlgorithm(s string) (digest.Algorithm, error) {
	if _, ok := encodedLength[digest.Algorithm(s)]; !ok {
		return "", refuse(ErrAlgorithm, s, algorithmAdvice)
	}
	return digest.Algorithm(s), nil
}

// ParseDigest reads a digest of a supported algorithm. Its error wraps ErrAlgorithm if s is well-formed (OCI image spec, "Digests") but of
// another algorithm, and ErrDigest if it is malformed.
func ParseDigest(s string) (digest.Digest, error) {
	name, encoded, found := strings.Cut(s, ":")
	if !found || !algorithmName(name) || !encodedPart(encoded) {
		return "", refuse(ErrDigest, s, digestAdvice)
	}
	algorithm, err := ParseAlgorithm(name)
	if err != nil {
		return "", err
	}
	if len(encoded) != encodedLength[algorithm] || strings.Trim(encoded, "0123456789abcdef") != "" {
		return "", refuse(ErrDigest, s, digestAdvice)
	}
	return digest.Digest(s), nil
}

// algorithmName tells whether s is [a-z0-9]+([+._-][a-z0-9]+)*
func algorithmName(s string) bool {
	for {
		run := alphanumerics(s)
		if run == 0 || run == len(s) {
			return run != 0
		}
		if !strings.ContainsRune("+._-", rune(s[run])) {
			return false
		}
		s = s[run+1:]
	}
}

// encodedPart tells whether s is [a-zA-Z0-9=_-]+
func encodedPart(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '.' || !tagByte(c) && c != '=' {
			return false
		}
	}
	return s != ""
}
