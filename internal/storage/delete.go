package storage

import (
	"bytes"
	"context"
	"errors"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// DeleteManifest takes a manifest out of this repository, with every tag that points to it, at once.
//
// The tombstone of the link is the commit point. The tags are then found by the marks that each push writes before its link. A push of the same
// manifest under way may be about to set a tag: each marked tag that does not point here is therefore swapped for itself, with a new nonce, so that
// such a push finds its swap refused, looks at the link again, and writes it anew. The link may be live again by then, since another push has come. Each tag
// says under which life of the link it was set: those of the life that stands there came after this deletion and stay, all others go. Nothing of that
// rests on when a tag was read, so a deletion that died half-way is completed by the next one, whatever was pushed in between, and two at once do no
// harm. The next one also tells Facts of what the first one buried. The note goes into the journal.
func (r *Repository) DeleteManifest(ctx context.Context, d digest.Digest, note []byte) error {
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
	begun, done := context.WithTimeout(ctx, PushTime)
	defer done()
	entry, err := r.enterDeletion(begun, cur.live(), Entry{Digest: d, Note: note}, func() string { return cur.Value.life() })
	if err != nil {
		return err
	}
	buried, err := bury(begun, objects, key, cur, nil)
	if err != nil {
		return err
	}
	late := inTime(begun)
	// From here on the client's patience does not count: tags that were left would go on serving what is deleted.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), untagTime)
	defer cancel()
	untagged, err := r.untag(work, d, key)
	switch {
	case err != nil:
		return err
	case late != nil:
		return late
	case !buried && !untagged:
		return manifestUnknown(reference.Reference{Digest: d})
	}
	r.registry.committed(entry)
	return nil
}

// untagTime is how long a deletion may take to find and bury the tags of its manifest.
const untagTime = 10 * time.Minute

// untag buries the tags that pointed to a manifest when it was deleted, and says whether there were any. It tells of all tags that it came by, and of changed,
// at once: while the memory in common is out of reach, each telling takes its time.
func (r *Repository) untag(ctx context.Context, d digest.Digest, changed ...string) (bool, error) {
	var buried atomic.Bool
	var mu sync.Mutex
	group, work := workers(ctx)
	err := r.registry.each(work, r.keys.marksPrefix(d), func(mark drivers.Info) error {
		group.Go(func() error {
			tag := reference.Tag(path.Base(mark.Key))
			done, err := r.untagOne(work, d, tag)
			mu.Lock()
			changed = append(changed, r.keys.tag(tag))
			mu.Unlock()
			if done {
				buried.Store(true)
			}
			return err
		})
		return work.Err()
	})
	if waitErr := group.Wait(); waitErr != nil {
		err = waitErr
	}
	if err == nil {
		err = r.registry.changed(ctx, changed...)
	}
	return buried.Load(), err
}

// untagOne deals with one tag that pointed to d at some time, after the link was buried. It takes one that was set before that, leaves one that was set since,
// and touches one that is about to be set. Of the link it is asked after the tag was read: a tag whose link is gone already falls to this deletion as well
// as to that one's.
func (r *Repository) untagOne(ctx context.Context, d digest.Digest, tag reference.Tag) (buried bool, err error) {
	objects, key := r.registry.driver, r.keys.tag(tag)
	for {
		cur, err := load[tagRecord](ctx, objects, key)
		switch {
		case err != nil:
			return false, err
		case !cur.live() && cur.etag != "": // a tombstone: the push itself looks at the link again
			return false, nil
		case cur.live() && cur.Value.Digest != d:
			_, err = swap(ctx, objects, key, cur, *cur.Value)
		default:
			if kept, err := r.setSince(ctx, d, cur); err != nil || kept {
				return false, err
			}
			_, err = objects.Put(ctx, key, bytes.NewReader(nil), cur.cond())
		}
		if !errors.Is(err, drivers.ErrPrecondition) {
			return err == nil && cur.live() && cur.Value.Digest == d, err
		}
	}
}

// setSince says whether a tag was set under the link of d as it stands.
func (r *Repository) setSince(ctx context.Context, d digest.Digest, tag stored[tagRecord]) (bool, error) {
	if !tag.live() {
		return false, nil
	}
	link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
	return err == nil && link.live() && !tag.Value.stale(link.Value), err
}
