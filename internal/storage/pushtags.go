package storage

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/reference"
)

// point sets the tags, and tells of all that was changed.
//
// In the end all tags were set under one life of the link. A deletion that the push meets takes every tag that was set under the life it buried: where one tag
// was set before that and another one after it, the push would come out neither before the deletion nor after it. So the earlier ones are set once more.
// That is seen from what the swaps have found already, and costs nothing where no deletion comes in between.
func (p *push) point(ctx context.Context, want revision, link stored[revision]) error {
	stood, lives := make([]bool, len(p.tags)), make([]string, len(p.tags)) // of the link that each tag was set under
	for {
		if err := p.setTags(ctx, want, link, stood, lives); err != nil {
			return err
		}
		if !slices.ContainsFunc(lives, func(life string) bool { return life != lives[0] }) {
			break
		}
		var err error
		if link, err = p.ensure(ctx, want); err != nil {
			return err
		}
	}
	changed := make([]string, 0, len(p.tags)+1)
	for i, tag := range p.tags {
		if stood[i] {
			changed = append(changed, p.keys.tag(tag))
		}
	}
	if p.stood.Load() {
		changed = append(changed, p.keys.revision(p.Digest))
	}
	return p.registry.changed(ctx, changed...)
}

// ensure reads the link again and makes it live.
func (p *push) ensure(ctx context.Context, want revision) (stored[revision], error) {
	cur, err := load[revision](ctx, p.registry.driver, p.keys.revision(p.Digest))
	if err != nil {
		return cur, err
	}
	return p.linkRevision(ctx, want, cur)
}

// setTags sets the tags that were not set yet in the life of link.
func (p *push) setTags(ctx context.Context, want revision, link stored[revision], stood []bool, lives []string) error {
	group, work := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, tag := range p.tags {
		if lives[i] == link.Value.life() {
			continue
		}
		group.Go(func() error {
			cur := p.before[i]
			if lives[i] != "" {
				moved, now, err := p.movedSince(work, tag)
				if err != nil || moved {
					lives[i] = link.Value.life()
					return err
				}
				cur = now
			}
			record := tagRecord{Digest: p.Digest, MediaType: p.MediaType, Size: p.Size, Time: p.registry.opts.Now().UTC(), Entry: p.id}
			there, life, err := p.setTag(work, tag, cur, record, link, func() (stored[revision], error) { return p.ensure(work, want) })
			stood[i], lives[i] = stood[i] || there, life
			return err
		})
	}
	return group.Wait()
}

// movedSince says whether a tag that this push has set points elsewhere: another push came after it, and stays. now is the tag as it stands.
func (p *push) movedSince(ctx context.Context, tag reference.Tag) (moved bool, now stored[tagRecord], err error) {
	now, err = p.loadTag(ctx, tag)
	return err == nil && now.live() && now.Value.Digest != p.Digest, now, err
}
