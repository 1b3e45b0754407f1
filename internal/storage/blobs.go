package storage

import (
	"context"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/reference"
)

// layerLink says that a repository may serve a blob.
type layerLink struct {
	header
	bare digest.Digest // all that it says, where CNCF Distribution wrote it
}

func (l *layerLink) setBare(d digest.Digest) { l.bare = d }

// StatBlob describes a blob of this repository. It also keeps the collector from taking it: a client that asks may be about to use it.
func (r *Repository) StatBlob(ctx context.Context, d digest.Digest) (Descriptor, error) {
	p, err := r.linked(ctx, d, r.registry.revive)
	if err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: d, Size: p.Size}, nil
}

// OpenBlob reads a blob of this repository; the context governs every read of it.
func (r *Repository) OpenBlob(ctx context.Context, d digest.Digest) (*Blob, error) {
	p, err := r.linked(ctx, d, func(ctx context.Context, d digest.Digest) (*pointer, error) {
		cur, err := r.registry.loadPointer(ctx, d)
		if err != nil || !cur.Value.there() {
			return nil, err
		}
		return cur.Value, nil
	})
	if err != nil {
		return nil, err
	}
	return r.registry.newBlob(ctx, d, p), nil
}

// linked gives the pointer of a blob that this repository may serve, else BlobUnknown. Link and pointer are read side by side.
func (r *Repository) linked(ctx context.Context, d digest.Digest, find func(context.Context, digest.Digest) (*pointer, error)) (*pointer, error) {
	var link stored[layerLink]
	var p *pointer
	old := r.registry.looks(ctx, stageBlobs)
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) { link, err = load[layerLink](both, r.registry.driver, r.keys.layer(d)); return err })
	group.Go(func() (err error) { p, err = find(both, d); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if link.live() && p == nil && old {
		var err error
		if p, err = r.canonical(ctx, d, link.Value); err != nil {
			return nil, err
		}
	}
	if !link.live() || p == nil {
		return nil, blobUnknown(d)
	}
	return p, nil
}

// MountBlob gives this repository a blob of another one, without moving a byte. With no from, any blob that the registry holds will do.
func (r *Repository) MountBlob(ctx context.Context, d digest.Digest, from reference.Name) (Descriptor, error) {
	if err := r.registry.writable(); err != nil {
		return Descriptor{}, err
	}
	var p *pointer
	var err error
	if from == "" {
		p, err = r.registry.revive(ctx, d)
	} else {
		p, err = r.registry.Repository(from).linked(ctx, d, r.registry.revive)
	}
	if err != nil {
		return Descriptor{}, err
	}
	if p == nil {
		return Descriptor{}, blobUnknown(d)
	}
	if err := r.link(ctx, d); err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: d, Size: p.Size}, nil
}

// DeleteBlob takes a blob out of this repository, at once. Its bytes stay for the other repositories that have it.
func (r *Repository) DeleteBlob(ctx context.Context, d digest.Digest) error {
	if err := r.registry.deletable(); err != nil {
		return err
	}
	key := r.keys.layer(d)
	cur, err := load[layerLink](ctx, r.registry.driver, key)
	if err != nil {
		return err
	}
	buried, err := bury(ctx, r.registry.driver, key, cur, nil)
	if err == nil && !buried {
		return blobUnknown(d)
	}
	return err
}

// link makes a blob one of this repository.
func (r *Repository) link(ctx context.Context, d digest.Digest) error {
	_, err := update(ctx, r.registry.driver, r.keys.layer(d), stored[layerLink]{}, func(l *layerLink) *layerLink {
		if l != nil {
			return nil
		}
		return &layerLink{}
	})
	return err
}

func blobUnknown(d digest.Digest) error {
	return fail(BlobUnknown, "this repository has no such blob", map[string]string{"digest": d.String()})
}
