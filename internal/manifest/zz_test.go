package manifest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/libtrust"
)

func TestZZ(t *testing.T) {
	for _, size := range []int{3 << 20, 20_000} {
		payload := strings.Replace(schema1Text, `"amd64"`, `"amd64","note":"`+strings.Repeat("x", size)+`"`, 1)
		var keys []libtrust.PrivateKey
		for range 64 {
			k, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
			l, _ := libtrust.FromCryptoPrivateKey(k)
			keys = append(keys, l)
		}
		content := pretty(t, byLibtrust(t, payload, keys...))
		start := time.Now()
		p, s, err := Verify(content, 64)
		fmt.Println(len(content), err, time.Since(start))
		start = time.Now()
		_, err = Assemble(p, s)
		fmt.Println(err, time.Since(start))
	}
}
