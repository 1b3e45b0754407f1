package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// KeySet holds public keys whose signatures are trusted.
type KeySet struct{ ids map[string]bool }

// ParseKeySet reads a JSON Web Key Set (RFC 7517, section 5): {"keys": [...]}, with one key at least, all of them public and such that they may sign.
func ParseKeySet(content []byte) (*KeySet, error) {
	value, err := outermost(content)
	if err != nil {
		return nil, errors.New(`the key set is not JSON: write it as {"keys": [...]} (RFC 7517)`)
	}
	top := object{}
	if err := top.read(value, label("the key set"), []string{"keys"}); err != nil || top.null("keys") || top["keys"][0] != '[' {
		return nil, errors.New(`the key set has no list of keys: write it as {"keys": [...]} (RFC 7517)`)
	}
	set := &KeySet{ids: map[string]bool{}}
	position := 0
	for jwk := range elements(top["keys"]) {
		position++
		k, err := readKey(json.RawMessage(jwk))
		if err != nil {
			return nil, fmt.Errorf("key %d of the key set: %w", position, err)
		}
		set.ids[k.KeyID()] = true
	}
	if position == 0 {
		return nil, errors.New("the key set is empty: add a key, or do without the set")
	}
	return set, nil
}

// Trusted tells whether one of the signatures, which must be verified, is by a key of the set. A nil set trusts none.
func (s *KeySet) Trusted(signatures []Signature) bool {
	return s != nil && slices.ContainsFunc(signatures, func(sig Signature) bool { return s.ids[sig.KeyID] })
}
