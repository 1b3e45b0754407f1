package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// # Signatures
//
// A signature of a manifest of Docker schema 1 stands below its revision, under the digest of its bytes:
//
//	revisions/<alg>/<hex>/signatures/<alg>/<hex>/jws     the signature itself; written once, never changed or removed
//	revisions/<alg>/<hex>/signatures/<alg>/<hex>/link    where CNCF Distribution wrote it: the signature is the blob of that digest
//
// What says whether a manifest is there is its link alone. A signature without one is not seen; one that was pushed with a manifest that was deleted since is
// served again when that is pushed again, since it is a statement about the payload and stays true.

const (
	maxSignature = 64 << 10 // bytes that are read as one; a long one has some 5,000
	mostServed   = 256      // signatures of one manifest; only pushes that meet at its limit get so far
)

// surroundings is what stands beside the link of a manifest.
type surroundings struct {
	signatures []storedSignature // in order of their digests, each once; where both kinds are there, it is not the old one
	marks      []reference.Tag
}

type storedSignature struct {
	digest digest.Digest
	old    bool // a blob, as CNCF Distribution stored it
}

// rank puts one that was pushed here before an old link to the same one, whose blob may be gone.
func (s storedSignature) rank() int {
	if s.old {
		return 1
	}
	return 0
}

// find gives the signature of that digest; ok says whether there is one.
func (s surroundings) find(d digest.Digest) (known storedSignature, ok bool) {
	i := slices.IndexFunc(s.signatures, func(known storedSignature) bool { return known.digest == d })
	if i < 0 {
		return storedSignature{}, false
	}
	return s.signatures[i], true
}

// missing are those of the given signatures that are to be written, and how many of them are new here. The others of them have an old link, which does not
// say that the blob is there: CNCF Distribution's collector may have taken it.
func (s surroundings) missing(given []manifest.Signature) (list []manifest.Signature, added int) {
	for _, g := range given {
		switch known, ok := s.find(g.Digest); {
		case !ok:
			added++
			list = append(list, g)
		case known.old:
			list = append(list, g)
		}
	}
	return list, added
}

// surroundings lists what stands below prefix, which is that of a revision, or of its signatures.
func (r *Repository) surroundings(ctx context.Context, prefix string) (there surroundings, err error) {
	err = r.registry.each(ctx, prefix, func(info drivers.Info) error {
		switch at := r.registry.keys.parse(info.Key); {
		case at.kind == keyMark:
			there.marks = append(there.marks, at.tag)
		case at.kind == keySignature && info.Size > 0, at.kind == keyOldSignature:
			there.signatures = append(there.signatures, storedSignature{at.digest, at.kind == keyOldSignature})
		}
		return nil
	})
	slices.SortFunc(there.signatures, func(a, b storedSignature) int {
		return cmp.Or(cmp.Compare(a.digest, b.digest), a.rank()-b.rank())
	})
	there.signatures = slices.CompactFunc(there.signatures, func(a, b storedSignature) bool { return a.digest == b.digest })
	return there, err
}

// isSchema1 says whether a manifest of that type has signatures beside it.
func isSchema1(mediaType string) bool {
	return mediaType == manifest.MediaTypeSchema1 || mediaType == manifest.MediaTypeSchema1Signed
}

// signed puts a manifest of Docker schema 1 together with all its signatures, and leaves all others as they are. It asks for the list each time: others may
// have signed it a moment ago. What comes out for one list is remembered.
func (r *Repository) signed(ctx context.Context, m *Manifest) (*Manifest, error) {
	if !isSchema1(m.MediaType) {
		return m, nil
	}
	there, err := r.surroundings(ctx, r.keys.signaturesPrefix(m.Digest))
	if err != nil {
		return nil, err
	}
	list := there.signatures[:min(len(there.signatures), mostServed)]
	if len(list) == 0 {
		return unsigned(m), nil // CNCF Distribution did not always keep them
	}
	set := setOf(list)
	served, ok := r.registry.cache.signed(m.Digest, set)
	if !ok || r.fresh {
		content, all, err := r.assemble(ctx, m, list)
		if err != nil {
			return nil, err
		}
		if content == nil {
			return unsigned(m), nil
		}
		served = servedManifest{Descriptor{digest.FromBytes(content), int64(len(content))}, content}
		if all {
			r.registry.cache.learnSigned(m.Digest, set, served)
		}
	}
	m.MediaType, m.Served, m.Content = manifest.MediaTypeSchema1Signed, served.Descriptor, served.content
	return m, nil
}

// unsigned serves a manifest of Docker schema 1 as it is stored.
func unsigned(m *Manifest) *Manifest {
	m.MediaType = cmp.Or(manifest.DetectMediaType(m.Content), manifest.MediaTypeSchema1)
	return m
}

// setOf names a list of signatures.
func setOf(list []storedSignature) digest.Digest {
	var all strings.Builder
	for _, s := range list {
		all.WriteString(s.digest.String())
		all.WriteByte('\n')
	}
	return digest.FromString(all.String())
}

// assemble reads signatures and puts them to their payload, and says whether that is all of them. One that is damaged does not take the others with it; fsck
// tells of it. Where none can be read, there is no content.
func (r *Repository) assemble(ctx context.Context, m *Manifest, list []storedSignature) (content []byte, all bool, err error) {
	blocks := make([]manifest.Signature, len(list))
	group, work := workers(ctx)
	for i, s := range list {
		group.Go(func() (err error) {
			blocks[i].JSON, err = r.readSignature(work, m.Digest, s)
			return ignoreDamage(err)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, fmt.Errorf("read the signatures of %s: %w", m.Digest, err)
	}
	if content, err = manifest.Assemble(m.Content, blocks); err == nil {
		return content, true, nil
	}
	blocks = slices.DeleteFunc(blocks, func(s manifest.Signature) bool {
		_, err := manifest.ReadSignature(m.Content, s.JSON)
		return err != nil
	})
	if len(blocks) == 0 && manifest.DetectMediaType(m.Content) == manifest.MediaTypeSchema1Signed {
		return m.Content, true, nil // it was stored with its signatures in it
	}
	if len(blocks) == 0 {
		return nil, false, nil
	}
	if content, err = manifest.Assemble(m.Content, blocks); err != nil {
		return nil, false, fmt.Errorf("put %s together with its %d signatures: %w", m.Digest, len(list), errors.New(err.Error())) // nothing that a client may hear of
	}
	return content, false, nil
}

// readSignature gives the bytes of one signature; nothing where there are none.
func (r *Repository) readSignature(ctx context.Context, d digest.Digest, s storedSignature) ([]byte, error) {
	if !s.old {
		content, _, err := readAll(ctx, r.registry.driver, r.keys.signature(d, s.digest), maxSignature)
		if errors.Is(err, drivers.ErrNotFound) {
			err = nil
		}
		return content, err
	}
	at, err := r.locate(ctx, s.digest)
	if err != nil || at.pointer == nil || at.Size > maxSignature {
		return nil, err
	}
	return r.content(ctx, s.digest, at)
}
