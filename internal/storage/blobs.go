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
	at, err := r.linked(ctx, d, r.hold)
	if err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: d, Size: at.Size}, nil
}

// OpenBlob reads a blob of this repository; the context governs every read of it.
func (r *Repository) OpenBlob(ctx context.Context, d digest.Digest) (*Blob, error) {
	at, err := r.linked(ctx, d, r.locate)
	if err != nil {
		return nil, err
	}
	return r.newBlob(ctx, d, at), nil
}

// linked finds the bytes of a blob that this repository may serve, else BlobUnknown. Link and pointer are asked for side by side.
func (r *Repository) linked(ctx context.Context, d digest.Digest, find func(context.Context, digest.Digest) (place, error)) (place, error) {
	var link *layerLink
	var at place
	old := r.registry.looks(ctx, stageBlobs)
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) { link, err = r.mayServe(both, d, old); return err })
	group.Go(func() (err error) { at, err = find(both, d); return err })
	if err := group.Wait(); err != nil {
		return place{}, err
	}
	if link != nil && at.pointer == nil && old {
		var err error
		if at.pointer, err = r.canonical(ctx, d, link); err != nil {
			return place{}, err
		}
	}
	if link == nil || at.pointer == nil {
		return place{}, blobUnknown(d)
	}
	return at, nil
}

// MountBlob gives this repository a blob of another one, without moving a byte. With no from, any blob that the registry holds will do.
func (r *Repository) MountBlob(ctx context.Context, d digest.Digest, from reference.Name) (Descriptor, error) {
	if err := r.registry.writable(); err != nil {
		return Descriptor{}, err
	}
	var at place
	var err error
	if from == "" {
		at, err = r.hold(ctx, d)
	} else {
		at, err = r.registry.Repository(from).linked(ctx, d, r.hold)
	}
	if err != nil {
		return Descriptor{}, err
	}
	if at.pointer == nil {
		return Descriptor{}, blobUnknown(d)
	}
	if err := r.link(ctx, d); err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: d, Size: at.Size}, nil
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
	if err == nil && cur.etag != "" {
		err = r.registry.changed(ctx, key)
	}
	if err == nil && !buried {
		return blobUnknown(d)
	}
	return err
}

func blobUnknown(d digest.Digest) error {
	return fail(BlobUnknown, "this repository has no such blob", map[string]string{"digest": d.String()})
}
