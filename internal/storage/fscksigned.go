package storage

import (
	"context"
	"slices"

	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// checkSigned looks for what a manifest of Docker schema 1 needs besides its layers: a signature, at least, and what it calls by TarSums. CNCF Distribution,
// which wrote a bare link, did not always keep signatures.
func (r *fsckRepo) checkSigned(ctx context.Context, e fsckEntry, m *manifest.Schema1, bare bool) error {
	signs := func(other fsckEntry) bool {
		return (other.at.kind == keySignature || other.at.kind == keyOldSignature) && other.at.subject == e.at.digest
	}
	if !bare && !slices.ContainsFunc(r.entries, signs) {
		r.found(Damage, e.info.Key, "none of its signatures is there")
	}
	for _, sum := range m.TarSums {
		d, err := r.alias(ctx, sum)
		switch {
		case err != nil:
			if err := ignoreDamage(err); err != nil { // reported where it stands
				return err
			}
		case d == "":
			r.found(Damage, e.info.Key, "its blob %s is not in the repository", sum)
		default:
			if err := r.needsLink(ctx, e, d, r.Repository.keys.layer(d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSignature verifies a signature over the payload that it stands beside, if that is there.
func (r *fsckRepo) checkSignature(ctx context.Context, e fsckEntry) error {
	m, err := r.payload(ctx, reference.Reference{Digest: e.at.subject})
	if err != nil {
		return ignoreDamage(err) // reported where it stands; or it was deleted, or is just being pushed
	}
	content, _, err := readAll(ctx, r.driver, e.info.Key, maxSignature)
	if isTransient(err) {
		return err
	}
	var s manifest.Signature
	if err == nil {
		s, err = manifest.ReadSignature(m.Content, content)
	}
	switch {
	case err != nil:
		r.found(Damage, e.info.Key, "the signature cannot be served: %v", err)
	case s.Digest != e.at.digest:
		r.found(Damage, e.info.Key, "it is the signature %s, not the one that it is kept as", s.Digest)
	}
	return nil
}
