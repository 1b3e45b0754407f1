package storage

import (
	"bytes"
	"context"
	"errors"
	"path"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// bringTags brings the tags of this repository over, those that are not there yet.
func (r *Repository) bringTags(ctx context.Context) error {
	_, err := r.bringTagsCounting(ctx)
	return err
}

func (r *Repository) bringTagsCounting(ctx context.Context) (brought int, err error) {
	if r.registry.legacy.brought.has(r.name) {
		return 0, nil
	}
	missing, err := r.missingTags(ctx)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	group, work := workers(ctx)
	for _, tag := range missing {
		group.Go(func() error {
			ok, err := r.bringTag(work, reference.Tag(tag))
			if ok {
				n.Add(1)
			}
			return err
		})
	}
	if err = group.Wait(); err == nil {
		r.registry.legacy.brought.add(r.name)
	}
	return int(n.Load()), err
}

// missingTags are the tags in the old place for which nothing stands in ours, a tombstone included.
func (r *Repository) missingTags(ctx context.Context) (missing []string, err error) {
	old, err := r.oldTags(ctx)
	if err != nil || len(old) == 0 {
		return nil, err
	}
	ours := map[string]bool{}
	err = r.registry.each(ctx, r.keys.tagsPrefix(), func(info drivers.Info) error { ours[path.Base(info.Key)] = true; return nil })
	for _, tag := range old {
		if !ours[tag] {
			missing = append(missing, tag)
		}
	}
	return missing, err
}

// bringTag creates the record of a tag, its mark first. It gives way to whatever stands there meanwhile.
func (r *Repository) bringTag(ctx context.Context, tag reference.Tag) (bool, error) {
	objects := r.registry.driver
	cur, err := r.oldTag(ctx, tag)
	if err != nil || !cur.live() {
		return false, err
	}
	if _, err := objects.Put(ctx, r.keys.mark(cur.Value.Digest, tag), bytes.NewReader(leafContent), drivers.Cond{}); err != nil {
		return false, err
	}
	_, err = swap(ctx, objects, r.keys.tag(tag), cur, *cur.Value)
	if errors.Is(err, drivers.ErrPrecondition) {
		return false, nil
	}
	return err == nil, err
}

// bringManifest makes a manifest as cheap to read as one that was pushed, and findable from its subject.
func (r *Repository) bringManifest(ctx context.Context, d digest.Digest) (referrer bool, err error) {
	link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
	if err != nil || !link.live() {
		return false, err
	}
	p, err := r.registry.loadPointer(ctx, d)
	if err != nil {
		return false, err
	}
	if !p.Value.there() {
		return false, nil // its bytes are missing, as they were before
	}
	found, err := r.manifest(ctx, reference.Reference{Digest: d}, d, link.Value.MediaType, place{pointer: p.Value})
	if err != nil {
		return false, err
	}
	if p.etag == "" && len(found.Content) <= inlineLimit && d.Algorithm().FromBytes(found.Content) == d {
		_, err := swap(ctx, r.registry.driver, r.registry.keys.pointer(d), p, pointer{State: stateLive, Size: found.Size, Inline: found.Content})
		if err != nil && !errors.Is(err, drivers.ErrPrecondition) {
			return false, err
		}
	}
	m, err := manifest.Parse(found.MediaType, found.Content)
	if err != nil || m.Subject == nil {
		return false, nil // it is served as it is; what cannot be read refers to nothing
	}
	pushed := Pushed{Descriptor: found.Descriptor, MediaType: found.MediaType, Subject: m.Subject.Digest}
	return true, (&push{Repository: r, Pushed: pushed, manifest: m}).refer(ctx)
}
