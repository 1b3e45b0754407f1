package manifest

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/libtrust"
)

// Sign signs a manifest of Docker schema 1 with a private key, an *ecdsa.PrivateKey or *rsa.PrivateKey that Verify would accept. content is a payload,
// or a document that has signatures already; these must verify, and are kept.
func Sign(content []byte, private crypto.PrivateKey) ([]byte, error) {
	top, err := readDocument(content)
	if err != nil {
		return nil, err
	}
	payload, signatures := content, []Signature(nil)
	if top.has(signatureKey) {
		var found problems
		if payload, signatures, found = verify(top, content, DefaultSigners); found.list != nil {
			return nil, found.err()
		}
	}
	if _, err := newVerifier(payload); err != nil {
		return nil, err
	}
	k, err := libtrust.FromCryptoPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("sign a manifest: %w", err)
	}
	js, err := libtrust.NewJSONSignature(payload)
	if err != nil {
		return nil, fmt.Errorf("sign a manifest: %w", err)
	}
	if err := js.Sign(k); err != nil {
		return nil, fmt.Errorf("sign a manifest: %w", err)
	}
	blocks, err := js.Signatures()
	if err != nil {
		return nil, fmt.Errorf("sign a manifest: %w", err)
	}
	return Assemble(payload, append(signatures, Signature{JSON: blocks[0]}))
}

// Assemble puts a payload and its signatures together again, as Verify reads them. The bytes of the payload stay as they are. The signatures stand in
// the order of their keys' ids, and then of the signatures: the same set gives the same bytes, in whatever order it comes. Each stands once.
//
// Of a signature only its JSON is read. Each is verified, so that what comes out verifies whatever was stored; that takes up to two milliseconds for
// each (P-521), so what is served often is worth being remembered.
func Assemble(payload []byte, signatures []Signature) ([]byte, error) {
	v, err := newVerifier(payload)
	if err != nil {
		return nil, err
	}
	if len(signatures) == 0 {
		return nil, unverified("there is no signature: sign the manifest")
	}
	checked, found := v.readAll(signatures)
	if found.list != nil {
		return nil, found.err()
	}
	return assemble(payload, checked)
}

// AssembleValid is Assemble that leaves out what does not verify. Where nothing is left, or the payload is none that can be signed, there is no content.
func AssembleValid(payload []byte, signatures []Signature) (content []byte, err error) {
	v, err := newVerifier(payload)
	if err != nil {
		return nil, nil
	}
	checked, _ := v.readAll(signatures)
	if len(checked) == 0 {
		return nil, nil
	}
	return assemble(payload, checked)
}

// readAll gives the signatures that verify, and what is wrong with the others.
func (v verifier) readAll(signatures []Signature) (checked []Signature, found problems) {
	checked = make([]Signature, 0, len(signatures))
	for i, s := range signatures {
		s, err := v.read(s.JSON)
		if err != nil {
			found.take(fmt.Sprintf("signature %d:", i+1), err)
			continue
		}
		checked = append(checked, s)
	}
	return checked, found
}

// assemble puts signatures that were verified to their payload.
func assemble(payload []byte, checked []Signature) ([]byte, error) {
	slices.SortFunc(checked, func(a, b Signature) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	checked = slices.CompactFunc(checked, func(a, b Signature) bool { return a.Digest == b.Digest })
	blocks := make([][]byte, len(checked))
	for i, s := range checked {
		blocks[i] = s.JSON
	}
	js, err := libtrust.NewJSONSignature(payload, blocks...)
	if err != nil {
		return nil, fmt.Errorf("assemble a signed manifest: %w", err)
	}
	content, err := js.PrettySignature(signatureKey)
	if err != nil {
		return nil, fmt.Errorf("assemble a signed manifest: %w", err)
	}
	return content, nil
}
