package reference

import "strings"

const tarSumAdvice = "write it as tarsum.v1+sha256:, tarsum+sha256: or tarsum.dev+sha256: and the lower-case hex of the hash, 64 digits"

// TarSum is a digest of what a tar archive holds rather than of its bytes: of the headers and the contents of its entries. Docker before 1.6 called
// layers by it. It says nothing of how the archive is compressed, so several blobs can have the same one.
type TarSum string

// The algorithms of a TarSum: version 0 covers the times of files, version 1 does not but covers extended attributes, and dev is version 1 so far.
const (
	TarSumV0  = "tarsum+sha256"
	TarSumV1  = "tarsum.v1+sha256"
	TarSumDev = "tarsum.dev+sha256"
)

// ParseTarSum reads a TarSum of a supported algorithm. Its error wraps ErrAlgorithm if s is well-formed but of another algorithm (another version, or
// a hash other than sha256), and ErrDigest if it is malformed or no TarSum at all.
func ParseTarSum(s string) (TarSum, error) {
	algorithm, encoded, found := strings.Cut(s, ":")
	version, _, hashed := strings.Cut(algorithm, "+")
	if !found || !hashed || !algorithmName(algorithm) || !encodedPart(encoded) || version != "tarsum" && !strings.HasPrefix(version, "tarsum.") {
		return "", refuse(ErrDigest, s, tarSumAdvice)
	}
	if algorithm != TarSumV0 && algorithm != TarSumV1 && algorithm != TarSumDev {
		return "", refuse(ErrAlgorithm, s, tarSumAdvice)
	}
	if len(encoded) != 64 || strings.Trim(encoded, "0123456789abcdef") != "" {
		return "", refuse(ErrDigest, s, tarSumAdvice)
	}
	return TarSum(s), nil
}

// Algorithm is what stands before the colon, such as TarSumV1.
func (t TarSum) Algorithm() string {
	algorithm, _, _ := strings.Cut(string(t), ":")
	return algorithm
}

// Encoded is the hex behind the colon.
func (t TarSum) Encoded() string {
	_, encoded, _ := strings.Cut(string(t), ":")
	return encoded
}

func (t TarSum) String() string { return string(t) }
