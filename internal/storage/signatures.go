package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// # Signatures
//
// A signature of a manifest of Docker schema 1 stands below its revision, under the digest of its bytes:
//
//	revisions/<alg>/<hex>/signatures/<alg>/<hex>/jws           the signature itself; written once, never changed
//	revisions/<alg>/<hex>/signatures/<alg>/<hex>/jws-<ulid>    likewise, in a later life of the manifest
//	revisions/<alg>/<hex>/signatures/<alg>/<hex>/link          where CNCF Distribution wrote it: the signature is the blob of that digest
//
// What says whether a manifest is there is its link alone. A signature without one is not seen.
//
// A manifest that is pushed after it was deleted begins a new life, without the signatures that it had: the limit on their number would else be reached for
// good. The link names the life (revision.Signing), so that one swap of it decides which signatures count; no key is moved or removed for that, and nobody
// has to know what others are about to write. A life that was buried never comes back, since each push that finds a tombstone makes up another one. Who
// finds the link live, in whatever life, writes what it brings for that life before it is done. Where the link is buried after that, the push came before
// the deletion; and a tag is set anew then, behind a link that was looked at again (see setTag).
//
// In the listing of a manifest that was never deleted there are no signatures of a later life: they are written only after a tombstone was seen. So nobody
// reads the link to learn the life unless there are some. What no life needs is removed by fsck when it is a day old.

const (
	maxSignature = 64 << 10 // bytes that are read as one; a long one has some 5,000

	// MostSigners is how many signatures of one manifest can be asked for (manifest.Rules).
	MostSigners = 256

	mostServed = MostSigners + 64 // signatures of one manifest; only pushes that meet at its limit get beyond that
)

// surroundings is what stands beside the link of a manifest.
type surroundings struct {
	signatures []storedSignature // of all lives
	marks      []reference.Tag
	buried     bool // the link is a tombstone; it is not looked for where signatures alone are listed
}

type storedSignature struct {
	digest  digest.Digest
	old     bool   // a blob, as CNCF Distribution stored it
	signing string // the life that it belongs to; empty for the first
}

// rank puts one that was pushed here before an old link to the same one, whose blob may be gone.
func (s storedSignature) rank() int {
	if s.old {
		return 1
	}
	return 0
}

// of are the signatures of one life, in order of their digests, each once; where both kinds are there, it is not the old one.
func (s surroundings) of(signing string) []storedSignature {
	list := slices.DeleteFunc(slices.Clone(s.signatures), func(known storedSignature) bool { return known.signing != signing })
	slices.SortFunc(list, func(a, b storedSignature) int { return cmp.Or(cmp.Compare(a.digest, b.digest), a.rank()-b.rank()) })
	return slices.CompactFunc(list, func(a, b storedSignature) bool { return a.digest == b.digest })
}

// later says that there are signatures of a later life than the first: the link tells of which.
func (s surroundings) later() bool {
	return slices.ContainsFunc(s.signatures, func(known storedSignature) bool { return known.signing != "" })
}

// missing are those of the given signatures that are to be written where some are kept, and how many of them are new here. The others of them have an old link,
// which does not say that the blob is there: CNCF Distribution's collector may have taken it.
func missing(kept []storedSignature, given []manifest.Signature) (list []manifest.Signature, added int) {
	for _, g := range given {
		i := slices.IndexFunc(kept, func(known storedSignature) bool { return known.digest == g.Digest })
		if i < 0 {
			added++
		}
		if i < 0 || kept[i].old {
			list = append(list, g)
		}
	}
	return list, added
}

// surroundings lists what stands below prefix, which is that of a revision, or of its signatures.
func (r *Repository) surroundings(ctx context.Context, prefix string) (there surroundings, err error) {
	err = r.registry.each(ctx, prefix, func(info drivers.Info) error {
		switch at := r.registry.keys.parse(info.Key); {
		case at.kind == keyRevision:
			there.buried = info.Size == 0
		case at.kind == keyMark:
			there.marks = append(there.marks, at.tag)
		case at.kind == keySignature && info.Size > 0, at.kind == keyOldSignature:
			there.signatures = append(there.signatures, storedSignature{at.digest, at.kind == keyOldSignature, at.signing})
		}
		return nil
	})
	return there, err
}

// signatures lists those that count. What is written for a life before the link names it is in any list that is made after the link was read.
func (r *Repository) signatures(ctx context.Context, d digest.Digest) ([]storedSignature, error) {
	for again := false; ; again = true {
		there, err := r.surroundings(ctx, r.keys.signaturesPrefix(d))
		if err != nil || !there.later() {
			return there.of(""), err
		}
		link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
		if err != nil {
			return nil, err
		}
		if !link.live() {
			return nil, manifestUnknown(reference.Reference{Digest: d})
		}
		if list := there.of(link.Value.Signing); len(list) > 0 || again {
			return list, nil
		}
	}
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
	list, err := r.signatures(ctx, m.Digest)
	if err != nil {
		return nil, err
	}
	list = list[:min(len(list), mostServed)]
	if len(list) == 0 {
		return unsigned(m), nil // CNCF Distribution did not always keep them
	}
	set := setOf(list)
	served, ok := r.registry.cache.signed(m.Digest, set)
	if !ok || r.fresh {
		var stays bool
		if served, stays, err = r.assemble(ctx, m, list); err != nil {
			return nil, err
		}
		if stays {
			r.registry.cache.learnSigned(m.Digest, set, served)
		}
	}
	if served.content == nil {
		return unsigned(m), nil
	}
	m.MediaType, m.Served, m.Content = manifest.MediaTypeSchema1Signed, served.Descriptor, served.content
	return m, nil
}

// unsigned serves a manifest of Docker schema 1 as it is stored.
func unsigned(m *Manifest) *Manifest {
	m.MediaType = cmp.Or(manifest.DetectMediaType(m.Content), manifest.MediaTypeSchema1)
	return m
}

// setOf names a list of signatures. One that replaces an old link, or is of another life, is another one.
func setOf(list []storedSignature) digest.Digest {
	var all strings.Builder
	for _, s := range list {
		fmt.Fprintln(&all, s.digest, s.old, s.signing)
	}
	return digest.FromString(all.String())
}

// assemble reads signatures and puts them to their payload, and verifies each once. One that is gone or damaged does not take the others with it; fsck tells of
// it. Where none can be served, there is no content. stays says that the same list will always give the same: what is gone is not going to come back, since
// one that is pushed again is another in the list, but what is damaged somewhere else than in its bytes may be mended there.
func (r *Repository) assemble(ctx context.Context, m *Manifest, list []storedSignature) (served servedManifest, stays bool, err error) {
	blocks := make([]manifest.Signature, len(list))
	var damaged atomic.Bool
	group, work := workers(ctx)
	for i, s := range list {
		group.Go(func() (err error) {
			if blocks[i].JSON, err = r.readSignature(work, m.Digest, s); err != nil {
				damaged.Store(true)
			}
			return ignoreDamage(err)
		})
	}
	if err := group.Wait(); err != nil {
		return served, false, fmt.Errorf("read the signatures of %s: %w", m.Digest, err)
	}
	content, err := manifest.AssembleValid(m.Content, blocks)
	if err != nil {
		return served, false, fmt.Errorf("put %s together with its %d signatures: %w", m.Digest, len(list), errors.New(err.Error())) // nothing that a client may hear of
	}
	if content != nil {
		served = servedManifest{Descriptor{digest.FromBytes(content), int64(len(content))}, content}
	}
	return served, !damaged.Load(), nil
}

// readSignature gives the bytes of one signature; nothing where there are none.
func (r *Repository) readSignature(ctx context.Context, d digest.Digest, s storedSignature) ([]byte, error) {
	if !s.old {
		content, _, err := readAll(ctx, r.registry.driver, r.keys.signature(d, s.digest, s.signing), maxSignature)
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
