package reference

import (
	"errors"
	"strings"
	"testing"
)

func TestParseTarSum(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0123456789abcdef", 4)
	for _, algorithm := range []string{TarSumV0, TarSumV1, TarSumDev} {
		s := algorithm + ":" + hash
		sum, err := ParseTarSum(s)
		if err != nil || sum.String() != s || sum.Algorithm() != algorithm || sum.Encoded() != hash {
			t.Errorf("ParseTarSum(%q) = %q (%s, %s), %v", s, sum, sum.Algorithm(), sum.Encoded(), err)
		}
		if _, err := ParseDigest(s); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("ParseDigest(%q): %v, want ErrAlgorithm: a TarSum is no digest of the image spec", s, err)
		}
	}
}

func TestParseTarSumRefuses(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0", 64)
	for s, want := range map[string]error{
		"":                                ErrDigest,
		":":                               ErrDigest,
		"tarsum":                          ErrDigest,
		"tarsum:" + hash:                  ErrDigest,
		"tarsum+:" + hash:                 ErrDigest,
		"tarsum.v1:" + hash:               ErrDigest,
		"sha256:" + hash:                  ErrDigest,
		"sha256+tarsum:" + hash:           ErrDigest,
		"tarsumv1+sha256:" + hash:         ErrDigest,
		"TarSum.v1+sha256:" + hash:        ErrDigest,
		"tarsum.v1+SHA256:" + hash:        ErrDigest,
		"tarsum.v1 sha256:" + hash:        ErrDigest,
		" tarsum.v1+sha256:" + hash:       ErrDigest,
		"tarsum.v1+sha256:":               ErrDigest,
		"tarsum.v1+sha256:" + hash[1:]:    ErrDigest,
		"tarsum.v1+sha256:" + hash + "0":  ErrDigest,
		"tarsum.v1+sha256:" + hash + "\n": ErrDigest,
		"tarsum.v1+sha256:" + strings.Repeat("A", 64): ErrDigest,
		"tarsum.v1+sha256:" + strings.Repeat("g", 64): ErrDigest,
		"tarsum.v1+sha256:" + "../" + hash[3:]:        ErrDigest,
		"tarsum.v2+sha256:" + hash:                    ErrAlgorithm,
		"tarsum.v0+sha256:" + hash:                    ErrAlgorithm,
		"tarsum.v1+sha512:" + hash + hash:             ErrAlgorithm,
		"tarsum.v1+md5:" + hash[:32]:                  ErrAlgorithm,
		"tarsum.v1+sha256+sha256:" + hash:             ErrAlgorithm,
	} {
		if sum, err := ParseTarSum(s); !errors.Is(err, want) || sum != "" {
			t.Errorf("ParseTarSum(%q) = %q, %v, want %v", s, sum, err, want)
		}
	}
}
