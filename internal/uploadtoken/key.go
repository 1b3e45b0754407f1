package uploadtoken

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// Labels keep what is derived from one secret for one purpose apart from what is derived for another.
const (
	labelID      = "registryd key id"
	labelMAC     = "registryd upload token 1: authentication"
	labelPoint   = "registryd upload point 1: authentication"
	labelEncrypt = "registryd upload token 1: encryption"
)

// KeyID names a key in a token. It tells nothing of the secret.
type KeyID [8]byte

// Key is a secret that all nodes of a cluster share.
type Key struct {
	ID     KeyID
	Secret []byte
}

// KeyFromSecret makes a Key of a configured secret (http.secret). Any secret that is not empty will do, as with CNCF Distribution, but whoever
// holds a token can try out guesses at leisure: it should be 32 random bytes, however they are written down, not a word.
func KeyFromSecret(secret string) Key {
	k := Key{Secret: []byte(secret)}
	copy(k.ID[:], derive(k.Secret, labelID))
	return k
}

// derive gives 32 bytes that depend on the secret and the label (HKDF-SHA256, RFC 5869).
func derive(secret []byte, label string) []byte {
	b, err := hkdf.Key(sha256.New, secret, nil, label, sha256.Size)
	if err != nil {
		panic(err) // only for lengths that HKDF cannot give
	}
	return b
}
