package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signatures of a body:
//
//	X-Registryd-Signature: t=1767225600,v1=5257a869...[,v1=...]
//
// t is the time of the attempt, in Unix seconds. Each v1 is the hex of the HMAC-SHA256 of "<t>.<body>" with one of the endpoint's secrets, so while
// a secret is being replaced, consumers that know the old one or the new one both find theirs. It is the scheme of Stripe's webhooks.
const SignatureHeader = "X-Registryd-Signature"

// ErrSignature: what was received does not come from who knows the secret, or not recently.
var ErrSignature = errors.New("the signature is not of this body, secret and time: refuse the request")

// sign gives the value of SignatureHeader.
func sign(body []byte, secrets [][]byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	var header strings.Builder
	header.WriteString("t=" + t)
	for _, secret := range secrets {
		header.WriteString(",v1=" + hex.EncodeToString(signature(t, body, secret)))
	}
	return header.String()
}

func signature(t string, body, secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Verify checks a body that a consumer received, before it is parsed, against the value of SignatureHeader. The time of the attempt may be tolerance off
// from now in either direction; a retry carries a new one. Members other than t and v1 are ignored. Its only error is ErrSignature.
func Verify(header string, body, secret []byte, tolerance time.Duration, now time.Time) error {
	var t string
	var signatures [][]byte
	for member := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		switch name {
		case "t":
			if t != "" {
				return ErrSignature
			}
			t = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, sum)
			}
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil || len(secret) == 0 || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return ErrSignature
	}
	want := signature(t, body, secret)
	for _, got := range signatures {
		if hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}
