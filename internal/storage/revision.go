package storage

import (
	"cmp"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// revision says that a repository has a manifest. Its key is the commit point of a push by digest.
type revision struct {
	header
	MediaType string `json:"mediaType"` // empty where CNCF Distribution wrote the link: the manifest itself has to be asked
	Size      int64  `json:"size"`
	Entry     string `json:"entry,omitempty"` // id, in the journal, of the push that made it
	Born      string `json:"born,omitempty"`  // its life, where it was swapped since; see there

	// Signing is unlike that of all other lives, where a link was made anew after a deletion; empty in the first life. The signatures of a life stand under it.
	Signing string `json:"signing,omitempty"`
}

func (r *revision) setBare(digest.Digest) {}

// distributionLife is that of each link that CNCF Distribution wrote.
const distributionLife = "distribution"

// life tells a link from all others that stood there, or will, with a tombstone in between. A push that changes the media type alone leaves it as it is.
func (r *revision) life() string { return cmp.Or(r.Born, r.Nonce, distributionLife) }

// Manifest is a manifest as it was pushed, to the byte. One of Docker schema 1 has all signatures in its content that anybody has pushed with it.
type Manifest struct {
	Descriptor // of what is hashed; of Docker schema 1 that is the payload, without signatures
	MediaType  string
	Content    []byte     // not to be changed: the next who asks may be given the same
	Served     Descriptor // of Content
}

// maxManifest bounds what is read as a manifest, in bytes. It is far above what the api accepts.
const maxManifest = 64 << 20

// Manifest gives the manifest that a tag or a digest names, else ManifestUnknown.
func (r *Repository) Manifest(ctx context.Context, ref reference.Reference) (*Manifest, error) {
	m, err := r.payload(ctx, ref)
	if err != nil {
		return nil, err
	}
	return r.signed(ctx, m)
}

// payload is Manifest without signatures: what was hashed.
func (r *Repository) payload(ctx context.Context, ref reference.Reference) (*Manifest, error) {
	if ref.IsDigest() {
		return r.manifestByDigest(ctx, ref.Digest)
	}
	tag, err := r.pointsTo(ctx, ref.Tag)
	if err != nil {
		return nil, err
	}
	if tag == nil {
		return nil, manifestUnknown(ref)
	}
	return r.follow(ctx, ref, tag)
}

// follow reads what a link or a tag points to.
func (r *Repository) follow(ctx context.Context, ref reference.Reference, fact *manifestFact) (*Manifest, error) {
	at, err := r.locate(ctx, fact.Digest)
	if err != nil {
		return nil, err
	}
	return r.manifest(ctx, ref, fact.Digest, fact.MediaType, at)
}

// StatManifest says what Manifest would give, without its content and for one request. How long one of Docker schema 1 is with its signatures, and one of an
// unknown type, takes as much as to read it.
func (r *Repository) StatManifest(ctx context.Context, ref reference.Reference) (*Manifest, error) {
	if ref.IsDigest() {
		link, err := r.hasManifest(ctx, ref.Digest)
		if err != nil {
			return nil, err
		}
		if link == nil {
			return nil, manifestUnknown(ref)
		}
		return r.stat(ctx, ref, link)
	}
	tag, err := r.pointsTo(ctx, ref.Tag)
	if err != nil {
		return nil, err
	}
	if tag == nil {
		return nil, manifestUnknown(ref)
	}
	return r.stat(ctx, ref, tag)
}

// stat is what a link or a tag tells of a manifest, if it tells all.
func (r *Repository) stat(ctx context.Context, ref reference.Reference, fact *manifestFact) (*Manifest, error) {
	if fact.MediaType == "" || isSchema1(fact.MediaType) {
		m, err := r.follow(ctx, ref, fact)
		if err == nil {
			m, err = r.signed(ctx, m)
		}
		if err != nil {
			return nil, err
		}
		return &Manifest{Descriptor: m.Descriptor, MediaType: m.MediaType, Served: m.Served}, nil
	}
	d := Descriptor{Digest: fact.Digest, Size: fact.Size}
	return &Manifest{Descriptor: d, MediaType: fact.MediaType, Served: d}, nil
}

// manifestByDigest asks for link and pointer side by side.
func (r *Repository) manifestByDigest(ctx context.Context, d digest.Digest) (*Manifest, error) {
	var link *manifestFact
	var at place
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) { link, err = r.hasManifest(both, d); return err })
	group.Go(func() (err error) { at, err = r.locate(both, d); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	ref := reference.Reference{Digest: d}
	if link == nil {
		return nil, manifestUnknown(ref)
	}
	return r.manifest(ctx, ref, d, link.MediaType, at)
}

func (r *Repository) manifest(ctx context.Context, ref reference.Reference, d digest.Digest, mediaType string, at place) (*Manifest, error) {
	if at.pointer == nil {
		return nil, manifestUnknown(ref)
	}
	content, err := r.content(ctx, d, at)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return nil, manifestUnknown(ref)
	}
	found := Descriptor{Digest: d, Size: at.Size}
	m := &Manifest{Descriptor: found, MediaType: mediaType, Content: content, Served: found}
	return m.typed(), nil
}

// typed finds the media type of a manifest that was stored without it.
func (m *Manifest) typed() *Manifest {
	if m.MediaType == "" {
		m.MediaType = cmp.Or(manifest.DetectMediaType(m.Content), "application/json")
	}
	return m
}

// linkRevision makes the manifest one of the repository. cur is the link as it was read, or nothing to try without reading.
func (p *push) linkRevision(ctx context.Context, want revision, cur stored[revision]) (stored[revision], error) {
	for stood := cur.etag != ""; ; stood = true { // whatever is met after the first
		if stood {
			p.stood.Store(true)
		}
		next := want
		switch {
		case cur.live():
			next.Born, next.Signing = cur.Value.life(), cur.Value.Signing
		case cur.etag != "":
			next.Signing = p.registry.newID()
		}
		if err := p.sign(ctx, cur.live(), next.Signing); err != nil {
			return cur, err
		}
		if cur.live() && cur.Value.MediaType == want.MediaType {
			return cur, nil
		}
		now, err := swap(ctx, p.registry.driver, p.keys.revision(p.Digest), cur, next)
		if !errors.Is(err, drivers.ErrPrecondition) {
			return now, err
		}
		cur = now
	}
}

func manifestUnknown(ref reference.Reference) error {
	return fail(ManifestUnknown, "this repository has no such manifest", map[string]string{"reference": ref.String()})
}
