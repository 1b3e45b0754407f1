package uploadtoken

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func upload(state []byte) Upload {
	return Upload{
		Repository: "library/busybox", ID: "0195512e-7f1c-7000-8000-0123456789ab", Seq: 7, Offset: 5 << 30,
		Started: now.Add(-time.Hour), Expires: now.Add(time.Hour), State: state,
	}
}

// provider makes an HMAC of secrets.
func provider(t testing.TB, secrets ...string) *HMAC {
	t.Helper()
	var keys []Key
	for _, s := range secrets {
		keys = append(keys, KeyFromSecret(s))
	}
	h, err := NewHMAC(keys, clock)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func issue(t testing.TB, h *HMAC, up Upload) string {
	t.Helper()
	token, err := h.Issue(context.Background(), up)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func checkUnknown(t *testing.T, h *HMAC, repository, token string) {
	t.Helper()
	up, err := h.Open(context.Background(), repository, token)
	if err != ErrUnknown || !reflect.DeepEqual(up, Upload{}) {
		t.Errorf("Open(%s) = %+v, %v; want ErrUnknown and nothing else", token, up, err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret")
	for _, up := range []Upload{
		upload(nil),
		upload([]byte("state")),
		upload(bytes.Repeat([]byte{0}, MaxState)),
		{Expires: now.Add(time.Second), Started: time.Unix(0, 0).UTC()},
		{ID: strings.Repeat("x", MaxID), Seq: 1<<64 - 1, Offset: 1<<63 - 1, Started: now, Expires: now.AddDate(1, 0, 0), State: []byte{1}},
	} {
		token := issue(t, h, up)
		got, err := h.Open(context.Background(), up.Repository, token)
		if err != nil || !reflect.DeepEqual(got, up) {
			t.Errorf("Open = %+v, %v; want %+v", got, err, up)
		}
		if again := issue(t, h, up); again == token {
			t.Error("two tokens have the same nonce")
		}
	}
}

// The wire form must not change: nodes of two versions serve one cluster during an update.
func TestGolden(t *testing.T) {
	t.Parallel()
	h := provider(t, "golden secret")
	h.nonce = func(b []byte) { copy(b, "0123456789abcdef") }
	const want = "AW5nlalQpdf5MDEyMzQ1Njc4OWFiY2RlZlVn7GQ2gOO-QJZ955nBaEtuQCohM-zMCNFh-tC9P0vM1IgHSTBDRg7DhpOuCSNuQmCX" +
		"NyNYvzT1Bb1nKsgIXLJx-oB8L-xP6tfX71TAd0myYhn02SGzCP30SNJdgQxgSipquIogUqCqD4fejhvFqQZy3ys"
	if got := issue(t, h, upload([]byte("golden state"))); got != want {
		t.Errorf("token is\n%s, want\n%s", got, want)
	}
	up, err := provider(t, "golden secret").Open(context.Background(), "library/busybox", want)
	if err != nil || !reflect.DeepEqual(up, upload([]byte("golden state"))) {
		t.Errorf("Open = %+v, %v", up, err)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret", "other")
	up := upload([]byte("state"))
	raw, err := base64.RawURLEncoding.DecodeString(issue(t, h, up))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		checkUnknown(t, h, up.Repository, base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestOtherTextIsRefused(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret")
	up := upload([]byte("state"))
	token := issue(t, h, up)
	for i := range token {
		checkUnknown(t, h, up.Repository, token[:i])
		checkUnknown(t, h, up.Repository, token[i+1:])
		checkUnknown(t, h, up.Repository, token[:i]+"\n"+token[i:])
	}
	for _, s := range []string{
		"", ".", token + "A", token + "=", token + "\r\n", token + token, "A" + token, strings.Repeat("A", 100), strings.Repeat("A", 1<<20),
		strings.ToLower(token), strings.ReplaceAll(token, "_", "/"), // the same bytes in another form, or other ones
	} {
		if s != token {
			checkUnknown(t, h, up.Repository, s)
		}
	}
}

// The last character of a token stands for fewer than 6 bits; its spare ones must be 0.
func TestSpareBitsAreRefused(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for n := range 3 {
		up := upload(make([]byte, n))
		token := issue(t, h, up)
		for _, c := range alphabet {
			if other := token[:len(token)-1] + string(c); other != token {
				checkUnknown(t, h, up.Repository, other)
			}
		}
	}
}

func TestForeignRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret")
	token := issue(t, h, upload(nil))
	for _, repository := range []string{"", "library/busybo", "library/busybox2", "library", "Library/busybox"} {
		checkUnknown(t, h, repository, token)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	var at time.Time
	h, err := NewHMAC([]Key{KeyFromSecret("secret")}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	up := upload(nil)
	token := issue(t, h, up)
	at = up.Expires.Add(-time.Nanosecond)
	if _, err := h.Open(context.Background(), up.Repository, token); err != nil {
		t.Errorf("just before it expires: %v", err)
	}
	for _, at = range []time.Time{up.Expires, up.Expires.Add(time.Hour)} {
		checkUnknown(t, h, up.Repository, token)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	ctx, up := context.Background(), upload([]byte("state"))
	before, during, after := provider(t, "old"), provider(t, "new", "old"), provider(t, "new")
	oldToken, newToken := issue(t, before, up), issue(t, during, up)
	for name, open := range map[string]struct {
		h     *HMAC
		token string
	}{
		"old key, during": {during, oldToken}, "new key, during": {during, newToken}, "new key, after": {after, newToken},
		"new key, as second": {provider(t, "old", "new"), newToken},
	} {
		if got, err := open.h.Open(ctx, up.Repository, open.token); err != nil || !reflect.DeepEqual(got, up) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	checkUnknown(t, before, up.Repository, newToken)
	checkUnknown(t, after, up.Repository, oldToken)
}

// Two keys may have one id only by mistake; the secret must decide then.
func TestSameIDOtherSecret(t *testing.T) {
	t.Parallel()
	k := KeyFromSecret("secret")
	k.Secret = []byte("another")
	h, err := NewHMAC([]Key{k}, clock)
	if err != nil {
		t.Fatal(err)
	}
	checkUnknown(t, h, "library/busybox", issue(t, provider(t, "secret"), upload(nil)))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	h := provider(t, "secret")
	largest := upload(make([]byte, MaxState))
	largest.ID = strings.Repeat("x", MaxID)
	if token := issue(t, h, largest); len(token) >= 1024 || len(token) != maxToken {
		t.Errorf("the largest token has %d bytes", len(token))
	}
	for name, change := range map[string]func(*Upload){
		"state":  func(up *Upload) { up.State = make([]byte, MaxState+1) },
		"id":     func(up *Upload) { up.ID += "x" },
		"offset": func(up *Upload) { up.Offset = -1 },
	} {
		up := largest
		change(&up)
		if token, err := h.Issue(context.Background(), up); err == nil || token != "" || errors.Is(err, ErrUnknown) {
			t.Errorf("%s: Issue gives %q, %v", name, token, err)
		}
	}
}

func TestTokensHoldNoPlaintext(t *testing.T) {
	t.Parallel()
	up := upload([]byte("the end of the blob, not yet hashed"))
	raw, err := base64.RawURLEncoding.DecodeString(issue(t, provider(t, "secret"), up))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{string(up.State)[:8], up.ID[:8], up.Repository[:7]} {
		if bytes.Contains(raw, []byte(s)) {
			t.Errorf("a token holds %q", s)
		}
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	k := KeyFromSecret("secret")
	for name, keys := range map[string][]Key{"none": nil, "empty secret": {KeyFromSecret("")}, "twice": {k, KeyFromSecret("other"), k}} {
		if h, err := NewHMAC(keys, nil); err == nil || h != nil {
			t.Errorf("%s: NewHMAC gives %v, %v", name, h, err)
		}
	}
	if _, err := NewHMAC([]Key{k}, nil); err != nil {
		t.Error(err)
	}
	if other := KeyFromSecret("secret2"); other.ID == k.ID || k.ID == (KeyID{}) {
		t.Errorf("key ids are %x and %x", k.ID, other.ID)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	h := provider(t, "new", "old")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				up := upload(fmt.Appendf(nil, "%d %d", i, j))
				token, err := h.Issue(context.Background(), up)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := h.Open(context.Background(), up.Repository, token); err != nil || !reflect.DeepEqual(got, up) {
					t.Errorf("Open = %+v, %v; want %+v", got, err, up)
				}
			}
		})
	}
	wg.Wait()
}
