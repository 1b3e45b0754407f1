package storage

import (
	"cmp"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// revision says that a repository has a manifest. Its key is the commit point of a push by digest.
type revision struct {
	header
	MediaType string `json:"mediaType"` // empty where CNCF Distribution wrote the link: the manifest itself has to be asked
	Size      int64  `json:"size"`
}

func (r *revision) setBare(digest.Digest) {}

// Manifest is a manifest as it was pushed, to the byte.
type Manifest struct {
	Descriptor
	MediaType string
	Content   []byte
}

// maxManifest bounds what is read as a manifest, in bytes. It is far above what the api accepts.
const maxManifest = 64 << 20

// Manifest gives the manifest that a tag or a digest names, else ManifestUnknown.
func (r *Repository) Manifest(ctx context.Context, ref reference.Reference) (*Manifest, error) {
	if ref.IsDigest() {
		return r.manifestByDigest(ctx, ref.Digest)
	}
	tag, err := r.loadTag(ctx, ref.Tag)
	if err != nil {
		return nil, err
	}
	if !tag.live() {
		return nil, manifestUnknown(ref)
	}
	p, err := r.registry.loadPointer(ctx, tag.Value.Digest)
	if err != nil {
		return nil, err
	}
	return r.manifest(ctx, ref, tag.Value.Digest, tag.Value.MediaType, p)
}

// StatManifest says what Manifest would give, without its content and for one request.
func (r *Repository) StatManifest(ctx context.Context, ref reference.Reference) (*Manifest, error) {
	if ref.IsDigest() {
		link, err := load[revision](ctx, r.registry.driver, r.keys.revision(ref.Digest))
		if err != nil {
			return nil, err
		}
		if !link.live() {
			return nil, manifestUnknown(ref)
		}
		if link.Value.MediaType == "" {
			m, err := r.manifestByDigest(ctx, ref.Digest)
			if err != nil {
				return nil, err
			}
			return &Manifest{Descriptor: m.Descriptor, MediaType: m.MediaType}, nil
		}
		return &Manifest{Descriptor: Descriptor{Digest: ref.Digest, Size: link.Value.Size}, MediaType: link.Value.MediaType}, nil
	}
	tag, err := r.loadTag(ctx, ref.Tag)
	if err != nil {
		return nil, err
	}
	if !tag.live() {
		return nil, manifestUnknown(ref)
	}
	return &Manifest{Descriptor: Descriptor{Digest: tag.Value.Digest, Size: tag.Value.Size}, MediaType: tag.Value.MediaType}, nil
}

// manifestByDigest reads link and pointer side by side.
func (r *Repository) manifestByDigest(ctx context.Context, d digest.Digest) (*Manifest, error) {
	var link stored[revision]
	var p stored[pointer]
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		link, err = load[revision](both, r.registry.driver, r.keys.revision(d))
		return err
	})
	group.Go(func() (err error) { p, err = r.registry.loadPointer(both, d); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	ref := reference.Reference{Digest: d}
	if !link.live() {
		return nil, manifestUnknown(ref)
	}
	return r.manifest(ctx, ref, d, link.Value.MediaType, p)
}

func (r *Repository) manifest(ctx context.Context, ref reference.Reference, d digest.Digest, mediaType string, p stored[pointer]) (*Manifest, error) {
	if !p.Value.there() {
		return nil, manifestUnknown(ref)
	}
	m := &Manifest{Descriptor: Descriptor{Digest: d, Size: p.Value.Size}, MediaType: mediaType, Content: p.Value.Inline}
	if p.Value.inline() {
		return m.typed(), nil
	}
	content, _, err := readAll(ctx, r.registry.driver, r.registry.keys.bytes(d, p.Value), maxManifest)
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != m.Size {
		return nil, errors.New("the data of manifest " + d.String() + " has another size than its pointer says")
	}
	m.Content = content
	return m.typed(), nil
}

// typed finds the media type of a manifest that was stored without it.
func (m *Manifest) typed() *Manifest {
	if m.MediaType == "" {
		m.MediaType = cmp.Or(manifest.DetectMediaType(m.Content), "application/json")
	}
	return m
}

// linkRevision makes a manifest one of this repository. cur is the link as it was read, or nothing to try without reading.
func (r *Repository) linkRevision(ctx context.Context, d digest.Digest, want revision, cur stored[revision]) (stored[revision], error) {
	return update(ctx, r.registry.driver, r.keys.revision(d), cur, func(link *revision) *revision {
		if link == nil || link.MediaType != want.MediaType {
			return &want
		}
		return nil
	})
}

func manifestUnknown(ref reference.Reference) error {
	return fail(ManifestUnknown, "this repository has no such manifest", map[string]string{"reference": ref.String()})
}
