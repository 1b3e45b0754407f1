package storage

import (
	"context"
	"slices"

	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// checkSigned looks for what a manifest of Docker schema 1 needs besides its layers: a signature, at least, and what it calls by TarSums. CNCF Distribution,
// which wrote a bare link, did not always keep signatures.
func (r *fsckRepo) checkSigned(ctx context.Context, e fsckEntry, m *manifest.Schema1, link *revision) error {
	signs := func(other fsckEntry) bool {
		there := other.at.kind == keySignature && other.info.Size > 0 || other.at.kind == keyOldSignature
		return there && other.at.subject == e.at.digest && other.at.signing == link.Signing
	}
	if link.MediaType != "" && !slices.ContainsFunc(r.entries, signs) {
		list, err := r.signatures(ctx, e.at.digest) // it may have been deleted and pushed again since it was listed
		if isTransient(err) {
			return err
		}
		if err == nil && len(list) == 0 {
			r.found(Damage, e.info.Key, "none of its signatures is there")
		}
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
	link, err := load[revision](ctx, r.driver, r.Repository.keys.revision(e.at.subject))
	if err != nil || link.etag == "" {
		return ignoreDamage(err) // reported where it stands; or it is just being pushed
	}
	if !link.live() || link.Value.Signing != e.at.signing {
		return r.outlived(ctx, e, link)
	}
	if e.info.Size == 0 {
		r.found(Damage, e.info.Key, "the signature is empty, have its manifest pushed again by who signed it")
		return nil
	}
	m, err := r.payload(ctx, reference.Reference{Digest: e.at.subject})
	if err != nil {
		return ignoreDamage(err) // reported where it stands; or it was deleted
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

// outlived deals with a signature from before its manifest was deleted. Nobody is going to need it: a life that was buried never comes back. One that was just
// written may be for a life that is about to begin, and while a link is young, somebody may still be reading what it stood for before.
func (r *fsckRepo) outlived(ctx context.Context, e fsckEntry, link stored[revision]) error {
	finding := Finding{Severity: Leftover, Key: e.info.Key, Size: e.info.Size, Age: r.dataAge(e.at.signing, e.info), Message: "its manifest was deleted after it was signed"}
	if finding.Age <= pruneAge || r.Registry.opts.Now().Sub(link.since) <= pruneAge {
		return nil
	}
	if r.fsck.opts.Prune {
		if err := r.driver.Delete(ctx, e.info.Key); err != nil {
			return err
		}
		finding.Pruned = true
	}
	r.report(finding)
	return nil
}
