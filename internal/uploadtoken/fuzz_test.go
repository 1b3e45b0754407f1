package uploadtoken

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

// FuzzOpen looks for a token that opens although nobody issued it, or in another form than it was issued.
func FuzzOpen(f *testing.F) {
	h := provider(f, "secret", "other")
	h.nonce = func(b []byte) { copy(b, "0123456789abcdef") }
	issued := map[string]string{}
	for n := range 4 {
		up := upload(make([]byte, n*100))
		token := issue(f, h, up)
		issued[token] = up.Repository
		f.Add(up.Repository, token)
	}
	f.Add("", "")
	f.Fuzz(func(t *testing.T, repository, token string) {
		_, err := h.Open(context.Background(), repository, token)
		if from, ok := issued[token]; ok && from == repository {
			if err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, ErrUnknown) {
			t.Fatalf("Open(%q, %q): %v", repository, token, err)
		}
	})
}

// FuzzFields looks at what is inside of the seal: whatever decodes has exactly that encoding.
func FuzzFields(f *testing.F) {
	for n := range 3 {
		b, err := encodeFields(upload(make([]byte, n*100)), MaxState)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(make([]byte, fixedFields))
	f.Fuzz(func(t *testing.T, b []byte) {
		up, ok := decodeFields(b, MaxState)
		if !ok {
			return
		}
		again, err := encodeFields(up, MaxState)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x, %v", b, up, again, err)
		}
		_ = time.Until(up.Expires) // no time is too far off
	})
}
