// Package uploadtoken carries the state of a blob upload in the URL that the client goes on with, so that any node may answer the next request.
//
// # The HMAC provider
//
// A token is the unpadded base64url form of
//
//	version (1 byte) | key id (8) | nonce (16) | sealed fields | HMAC-SHA256 (32)
//
// The HMAC covers a label for the purpose, the repository (which is not in the token: it stands before it in the path) and all that comes before
// the HMAC itself, each with its length. It is compared in constant time before anything is decrypted or parsed, with a key that is picked in
// constant time too; a token with an unknown key id costs the same work as a forged one.
//
// The fields are encrypted (AES-256-CTR under the random nonce, then the HMAC: encrypt-then-MAC), because tokens end up in access logs and
// proxies, and the state of a hash holds the bytes of the blob since the last full block, up to 127 of them. Both keys are derived from
// the secret, each with a label of its own.
//
// A token proves that some node of the cluster issued it, no more: it is a capability for one upload until it expires, and it can be used any
// number of times. That two requests with one token do no harm is the business of what it points to.
//
// # The Redis provider
//
// Its tokens are those of the HMAC provider, so that a Redis that is away or forgets costs nothing, and nodes with either provider go on with each other's
// uploads. Beside them it keeps a record for each upload in Redis, as a hash at `<namespace>:upload:<id>` that lives as long as the upload:
//
//	point   the newest durable point that is known, sealed as a token is, with the same keys
//	claim   the name of the request that is at the upload now; empty for none
//	beat    when that request was last heard of, in milliseconds of Redis' own clock
//	end     "closed" or "cancelled", once it came to that
//
// The name of a claim is random and never comes again, so it also keeps out whoever lost its claim and does not know: each script that writes for a claim
// looks at the name first. No clock of a node is compared with another's.
package uploadtoken

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	version   = 1
	nonceSize = aes.BlockSize
	headSize  = 1 + len(KeyID{}) + nonceSize
	tagSize   = sha256.Size
)

// Limits of what a token can hold. With both used up it is still shorter than 1 KiB.
const (
	MaxID    = 64  // bytes of an upload id
	MaxState = 600 // bytes of a state
)

var maxToken = encoding.EncodedLen(headSize + fixedFields + MaxID + MaxState + tagSize)

// Strict, since each token has one form only.
var encoding = base64.RawURLEncoding.Strict()

// HMAC is the Provider that needs nothing but a secret in common.
type HMAC struct {
	keys  []subkeys
	decoy subkeys // used when the key is unknown
	clock func() time.Time
	nonce func([]byte)
}

var _ Provider = (*HMAC)(nil)

type subkeys struct {
	id      KeyID
	mac     []byte
	encrypt cipher.Block
}

// NewHMAC makes a provider that issues tokens with the first key and opens those of any, so that keys can be rotated: add the new key behind the
// old one on every node, then put it first, then drop the old one after a day. A nil clock is time.Now.
func NewHMAC(keys []Key, clock func() time.Time) (*HMAC, error) {
	if len(keys) == 0 {
		return nil, errors.New("no secret for upload tokens: set http.secret")
	}
	if clock == nil {
		clock = time.Now
	}
	h := &HMAC{clock: clock, nonce: func(b []byte) { rand.Read(b) }} // crypto/rand.Read never fails
	seen := make(map[KeyID]bool, len(keys))
	for _, k := range keys {
		if len(k.Secret) == 0 {
			return nil, errors.New("a secret for upload tokens is empty: set it or remove it")
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("two secrets for upload tokens have the key id %x: remove one", k.ID)
		}
		seen[k.ID] = true
		h.keys = append(h.keys, newSubkeys(k))
	}
	decoy := Key{Secret: make([]byte, sha256.Size)}
	rand.Read(decoy.Secret)
	h.decoy = newSubkeys(decoy)
	return h, nil
}

func newSubkeys(k Key) subkeys {
	block, err := aes.NewCipher(derive(k.Secret, labelEncrypt))
	if err != nil {
		panic(err) // only for keys of a wrong length
	}
	return subkeys{id: k.ID, mac: derive(k.Secret, labelMAC), encrypt: block}
}

// Issue seals up. It fails only if up breaks one of the limits.
func (h *HMAC) Issue(_ context.Context, up Upload) (string, error) {
	token, err := h.seal(tokens, up)
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(token), nil
}

// purpose is what something is sealed for. What was sealed for one is not taken for another.
type purpose struct {
	label string
	state int // bytes of a state, at most
}

var tokens = purpose{labelMAC, MaxState}

// seal gives the bytes of a token.
func (h *HMAC) seal(p purpose, up Upload) ([]byte, error) {
	fields, err := encodeFields(up, p.state)
	if err != nil {
		return nil, err
	}
	k := h.keys[0]
	token := make([]byte, headSize, headSize+len(fields)+tagSize)
	token[0] = version
	copy(token[1:], k.id[:])
	nonce := token[headSize-nonceSize:]
	h.nonce(nonce)
	token = append(token, fields...)
	cipher.NewCTR(k.encrypt, nonce).XORKeyStream(token[headSize:], token[headSize:])
	return append(token, k.tag(p, up.Repository, token)...), nil
}

// Open verifies and reads a token. Its only error is ErrUnknown.
func (h *HMAC) Open(_ context.Context, repository, token string) (Upload, error) {
	// The decoder skips line breaks, which would give a token many forms.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return Upload{}, ErrUnknown
	}
	raw, err := encoding.DecodeString(token)
	if err != nil {
		return Upload{}, ErrUnknown
	}
	return h.unseal(tokens, repository, raw)
}

// unseal is the inverse of seal. Its only error is ErrUnknown.
func (h *HMAC) unseal(p purpose, repository string, raw []byte) (Upload, error) {
	if len(raw) < headSize+fixedFields+tagSize {
		return Upload{}, ErrUnknown
	}
	sealed, tag := raw[:len(raw)-tagSize], raw[len(raw)-tagSize:]
	k, known := h.pick(sealed[1 : 1+len(KeyID{})])
	genuine := subtle.ConstantTimeCompare(k.tag(p, repository, sealed), tag)
	if genuine&known != 1 {
		return Upload{}, ErrUnknown
	}
	// From here on it is ours.
	fields := make([]byte, len(sealed)-headSize)
	cipher.NewCTR(k.encrypt, sealed[headSize-nonceSize:headSize]).XORKeyStream(fields, sealed[headSize:])
	up, ok := decodeFields(fields, p.state)
	if sealed[0] != version || !ok || !h.clock().Before(up.Expires) {
		return Upload{}, ErrUnknown
	}
	up.Repository = repository
	return up, nil
}

// pick finds the key with an id, in a time that depends only on how many keys there are, and whether it is known: 1 or 0.
func (h *HMAC) pick(id []byte) (k *subkeys, known int) {
	index := 0
	for i := range h.keys {
		same := subtle.ConstantTimeCompare(h.keys[i].id[:], id)
		index = subtle.ConstantTimeSelect(same, i+1, index)
		known |= same
	}
	candidates := [...]*subkeys{&h.decoy, &h.keys[max(index, 1)-1]}
	return candidates[known], known
}

// tag authenticates what was sealed for a purpose and a repository.
func (k *subkeys) tag(p purpose, repository string, sealed []byte) []byte {
	mac := hmac.New(sha256.New, k.mac)
	for _, part := range [][]byte{[]byte(p.label), []byte(repository), sealed} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write(part)
	}
	return mac.Sum(nil)
}
