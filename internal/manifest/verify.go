package manifest

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/libtrust"
	"github.com/opencontainers/go-digest"
)

// DefaultSigners is how many signatures a manifest may have if nobody says otherwise.
const DefaultSigners = 64

// Signature is one signature of a payload, verified.
type Signature struct {
	// JSON is the signature's block, as libtrust writes it: without space, and without what a reader does not need. It holds the key. The same
	// signature has the same one however the document around it was written; with the payload it is all that it takes to serve it (Assemble).
	JSON []byte

	Digest digest.Digest    // of JSON: what the signature is stored under
	KeyID  string           // libtrust's name of the key, twelve groups of letters and digits
	Key    crypto.PublicKey // *ecdsa.PublicKey or *rsa.PublicKey. It says that somebody has its private half, not who
}

// Verify reads a signed manifest of Docker schema 1: the very bytes that were signed, and the signatures in the order in which they stand. All must
// verify, by themselves and over the same payload. What else the manifest says is for Rules.Parse to judge. The error tells of each signature that is
// wrong: see Problems. There may be limit signatures at most; before they are counted none is looked at.
func Verify(content []byte, limit int) (payload []byte, signatures []Signature, err error) {
	top, err := readDocument(content)
	if err != nil {
		return nil, nil, err
	}
	payload, signatures, found := verify(top, content, limit)
	if found.list != nil {
		return nil, nil, found.err()
	}
	return payload, signatures, nil
}

// verify is Verify for a document that was read. If there are problems, it still gives what seems to be the payload.
func verify(top object, content []byte, limit int) (payload []byte, signatures []Signature, found problems) {
	if top.null(signatureKey) {
		found.take("", unverified("the manifest is not signed: sign it, or push it as Docker schema 2 or OCI"))
		return content, nil, found
	}
	blocks, err := listBlocks(top[signatureKey], limit)
	if err != nil {
		found.take("", err)
		return content, nil, found
	}
	comma, err := cutBefore(content)
	if err != nil {
		found.take("", err)
		return content, nil, found
	}
	seen := map[digest.Digest]int{}
	var signed verifier
	for i, value := range blocks {
		name := fmt.Sprintf("signature %d:", i+1)
		b, err := readBlock(value)
		if err != nil {
			found.take(name, err)
			continue
		}
		if err = b.covers(content, comma); err == nil && payload == nil {
			payload = slices.Concat(content[:comma], b.formatTail)
			if signed, err = newVerifier(payload); err != nil {
				found.take("", err)
				return payload, nil, found
			}
		}
		if err == nil && !bytes.Equal(b.formatTail, payload[comma:]) {
			err = unverified("it does not sign the same payload as those before it: sign the same bytes")
		}
		var s Signature
		if err == nil {
			s, err = signed.verify(&b)
		}
		if err != nil {
			found.take(name, err)
			continue
		}
		if first := seen[s.Digest]; first > 0 {
			found.add(CodeInvalid, "%s it is signature %d once more: remove one", name, first)
			continue
		}
		seen[s.Digest] = i + 1
		signatures = append(signatures, s)
	}
	if payload == nil { // a guess, to tell what else is wrong
		payload = append(bytes.Clone(content[:comma]), '}')
	}
	return payload, signatures, found
}

// listBlocks gives the members of the list of signatures.
func listBlocks(value json.RawMessage, limit int) (blocks []json.RawMessage, err error) {
	if value[0] != '[' {
		return nil, invalid("%q is not a list: make it one", signatureKey)
	}
	for b := range elements(value) {
		if len(blocks) == limit {
			return nil, invalid("the manifest has more than %d signatures: push it with fewer", limit)
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 {
		return nil, unverified("the manifest has an empty list of signatures: sign it")
	}
	return blocks, nil
}

// ReadSignature verifies one signature of a payload by itself. block is the JSON of a Signature, or what CNCF Distribution stored as one.
func ReadSignature(payload, block []byte) (Signature, error) {
	v, err := newVerifier(payload)
	if err != nil {
		return Signature{}, err
	}
	return v.read(block)
}

// verifier verifies signatures of one payload.
type verifier struct {
	encoded string // the payload as it is signed
	length  int    // of what begins it
	tail    []byte // what ends it
}

// newVerifier takes only what Assemble can put together again.
func newVerifier(payload []byte) (verifier, error) {
	top, err := readDocument(payload)
	if err != nil {
		return verifier{}, err
	}
	if top.has(signatureKey) {
		return verifier{}, invalid("the payload has signatures in it: take them out")
	}
	members, tail := cut(payload)
	if err := checkFormat(members, tail); err != nil {
		return verifier{}, err
	}
	if _, err := libtrust.NewJSONSignature(payload); err != nil {
		return verifier{}, invalid("the manifest holds what libtrust cannot sign, such as a number of too many digits: correct it and sign anew")
	}
	return verifier{base64.RawURLEncoding.EncodeToString(payload), len(members), tail}, nil
}

func (v verifier) read(content []byte) (Signature, error) {
	value, err := outermost(content)
	if err != nil {
		return Signature{}, invalid("the signature is not a JSON object: fetch it anew from where it came")
	}
	b, err := readBlock(value)
	if err != nil {
		return Signature{}, err
	}
	if b.formatLength != v.length || !bytes.Equal(b.formatTail, v.tail) {
		return Signature{}, unverified("it signs another payload: keep it with that")
	}
	return v.verify(&b)
}

// verify checks a block whose format fits the payload.
func (v verifier) verify(b *block) (Signature, error) {
	k, err := readKey(b.jwk)
	if err != nil {
		return Signature{}, err
	}
	if b.algorithm != k.algorithm {
		return Signature{}, unverified("its algorithm is %s, and with its key it must be %s: sign with that", quote(b.algorithm), k.algorithm)
	}
	if len(b.decoded) != k.signatureSize {
		return Signature{}, unverified("it has %d bytes and not the %d of %s: it was cut off or made for another key; sign anew",
			len(b.decoded), k.signatureSize, k.algorithm)
	}
	message := io.MultiReader(strings.NewReader(b.protected), strings.NewReader("."), strings.NewReader(v.encoded))
	if k.Verify(message, b.algorithm, b.decoded) != nil {
		return Signature{}, unverified("it does not verify with its key: the manifest or the signature was changed after it was signed")
	}
	return newSignature(k, b)
}

// newSignature writes a block as libtrust does.
func newSignature(k key, b *block) (Signature, error) {
	type header struct {
		JWK       libtrust.PublicKey `json:"jwk"`
		Algorithm string             `json:"alg"`
	}
	content, err := json.Marshal(struct {
		Header    header `json:"header"`
		Signature string `json:"signature"`
		Protected string `json:"protected"`
	}{header{k.PublicKey, b.algorithm}, b.signature, b.protected})
	if err != nil {
		return Signature{}, fmt.Errorf("write a signature: %w", err)
	}
	return Signature{JSON: content, Digest: digest.FromBytes(content), KeyID: k.KeyID(), Key: k.CryptoPublicKey()}, nil
}
