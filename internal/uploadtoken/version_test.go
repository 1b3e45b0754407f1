package uploadtoken

import (
	"errors"
	"testing"
)

// TestLaterVersion: what a later release seals with the same keys is unknown here, whatever stands in it.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	h, up := provider(t, "secret"), upload([]byte("state"))
	later := func(p purpose, v byte) []byte {
		sealed, err := h.seal(p, up)
		if err != nil {
			t.Fatal(err)
		}
		sealed = sealed[:len(sealed)-tagSize]
		sealed[0] = v
		return append(sealed, h.keys[0].tag(p, up.Repository, sealed)...)
	}
	if _, err := h.Open(t.Context(), up.Repository, encoding.EncodeToString(later(tokens, version))); err != nil {
		t.Errorf("a token of this version gives %v", err)
	}
	if _, err := h.Open(t.Context(), up.Repository, encoding.EncodeToString(later(tokens, version+1))); !errors.Is(err, ErrUnknown) {
		t.Errorf("a token of a later version gives %v", err)
	}
	r := NewRedis(h, nil, RedisOptions{})
	if _, ok := r.point(up, string(later(points, version))); !ok {
		t.Error("a point of this version is not read")
	}
	if known, ok := r.point(up, string(later(points, version+1))); ok {
		t.Errorf("a point of a later version is read as %+v", known)
	}
}
