package events

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestSignatureGolden: the scheme is a promise to consumers. The sum is that of: printf '1767323045.{"events":[]}' | openssl dgst -sha256 -hmac secret
func TestSignatureGolden(t *testing.T) {
	t.Parallel()
	got := sign([]byte(`{"events":[]}`), [][]byte{[]byte("secret")}, time.Unix(1767323045, 0))
	if want := "t=1767323045,v1=5a69d451f13f28a5623011527d6ff9a1f24763e4ab34fa7099041857d972762b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	now := time.Unix(1767323045, 0)
	body, old, fresh := []byte("body"), []byte("old"), []byte("new")
	both, one := sign(body, [][]byte{old, fresh}, now), sign(body, [][]byte{old}, now)
	sum := one[len("t=1767323045,"):]
	for name, c := range map[string]struct {
		header string
		body   string
		secret []byte
		now    time.Time
		ok     bool
	}{
		"the old secret":           {both, "body", old, now, true},
		"the new secret":           {both, "body", fresh, now, true},
		"another secret":           {both, "body", []byte("other"), now, false},
		"no secret":                {sign(body, [][]byte{{}}, now), "body", nil, now, false},
		"another body":             {both, "Body", old, now, false},
		"late, but in time":        {both, "body", old, now.Add(5 * time.Minute), true},
		"too late":                 {both, "body", old, now.Add(5*time.Minute + time.Second), false},
		"our clock is behind":      {both, "body", old, now.Add(-5 * time.Minute), true},
		"our clock is far behind":  {both, "body", old, now.Add(-6 * time.Minute), false},
		"another time":             {"t=1767323046," + sum, "body", old, now, false},
		"two times":                {"t=1767323045," + one, "body", old, now, false},
		"no time":                  {sum, "body", old, now, false},
		"no number":                {"t=now," + sum, "body", old, now, false},
		"a time out of all bounds": {"t=-9223372036854775808," + sum, "body", old, now, false},
		"no signature":             {"t=1767323045", "body", old, now, false},
		"half a signature":         {one[:len(one)-2], "body", old, now, false},
		"no hex":                   {"t=1767323045,v1=xyz", "body", old, now, false},
		"others beside it":         {"v0=00, t=1767323045, v1=00, " + sum + ", v2=zz", "body", old, now, true},
		"nothing":                  {"", "body", old, now, false},
	} {
		err := Verify(c.header, []byte(c.body), c.secret, 5*time.Minute, c.now)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ExampleVerify is a consumer that checks what it receives.
func ExampleVerify() {
	secret, body := []byte("secret"), []byte(`{"events":[]}`)
	header := sign(body, [][]byte{secret}, time.Now()) // what SignatureHeader held
	fmt.Println(Verify(header, body, secret, 5*time.Minute, time.Now()))
	// Output: <nil>
}
