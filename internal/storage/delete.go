package storage

import (
	"bytes"
	"context"
	"errors"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// DeleteManifest takes a manifest out of this repository, with every tag that points to it, at once.
//
// The tombstone of the link is the commit point. The tags are then found by the marks that each push writes before its link. A push of the same
// manifest under way may be about to set a tag: each marked tag that does not point here is therefore swapped for itself, with a new nonce, so that
// such a push finds its swap refused, looks at the link again, and writes it anew. As soon as the link is seen to be live again, a push has come
// after this deletion, and what is left belongs to it. A deletion that died half-way is completed by the next one.
func (r *Repository) DeleteManifest(ctx context.Context, d digest.Digest) error {
	if err := r.registry.deletable(); err != nil {
		return err
	}
	if r.registry.looks(ctx, stageRepositories) {
		if err := r.bringTags(ctx); err != nil {
			return err
		}
	}
	objects, key := r.registry.driver, r.keys.revision(d)
	cur, err := load[revision](ctx, objects, key)
	if err != nil {
		return err
	}
	if cur.etag == "" {
		return manifestUnknown(reference.Reference{Digest: d})
	}
	buried, err := bury(ctx, objects, key, cur, nil)
	if err != nil {
		return err
	}
	untagged, err := r.untag(ctx, d)
	if err == nil && !buried && !untagged {
		return manifestUnknown(reference.Reference{Digest: d})
	}
	return err
}

// untag buries the tags that point to a deleted manifest, and says whether there were any.
func (r *Repository) untag(ctx context.Context, d digest.Digest) (any bool, err error) {
	opts := drivers.ListOptions{Prefix: r.keys.marksPrefix(d)}
	for {
		page, err := r.registry.driver.List(ctx, opts)
		if err != nil {
			return any, err
		}
		for _, mark := range page.Objects {
			buried, stop, err := r.untagOne(ctx, d, reference.Tag(path.Base(mark.Key)))
			any = any || buried
			if err != nil || stop {
				return any, err
			}
		}
		if opts.After = page.Next; opts.After == "" {
			return any, nil
		}
	}
}

// untagOne deals with one tag that pointed to d at some time. stop means that d was pushed again.
func (r *Repository) untagOne(ctx context.Context, d digest.Digest, tag reference.Tag) (buried, stop bool, err error) {
	objects, key := r.registry.driver, r.keys.tag(tag)
	for {
		cur, err := load[tagRecord](ctx, objects, key)
		if err != nil {
			return false, false, err
		}
		link, err := load[revision](ctx, objects, r.keys.revision(d))
		if err != nil {
			return false, false, err
		}
		if link.live() {
			return false, true, nil
		}
		switch {
		case !cur.live() && cur.etag != "": // a tombstone: the push itself looks at the link again
			return false, false, nil
		case !cur.live(), cur.Value.Digest == d:
			_, err = objects.Put(ctx, key, bytes.NewReader(nil), cur.cond())
			buried = cur.live()
		default:
			_, err = swap(ctx, objects, key, cur, *cur.Value)
		}
		if !errors.Is(err, drivers.ErrPrecondition) {
			return buried && err == nil, false, err
		}
	}
}
