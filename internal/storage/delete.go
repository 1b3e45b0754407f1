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
// such a push finds its swap refused, looks at the link again, and writes it anew. As soon as the link is seen to be live again, a push has come
// after this deletion, and what is left belongs to it. A deletion that died half-way is completed by the next one, which also tells Facts of what the
// first one buried. The note goes into the journal.
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
	entry, err := r.enterDeletion(begun, cur.live(), Entry{Digest: d, Note: note}, func() string { return cur.Value.Nonce })
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

// errRevived: the manifest was pushed again.
var errRevived = errors.New("the manifest was pushed again")

// untag buries the tags that point to a deleted manifest, and says whether there were any. It tells of all tags that it came by, and of changed, at once:
// while the memory in common is out of reach, each telling takes its time.
func (r *Repository) untag(ctx context.Context, d digest.Digest, changed ...string) (bool, error) {
	var buried atomic.Bool
	var mu sync.Mutex
	group, work := workers(ctx)
	err := r.registry.each(work, r.keys.marksPrefix(d), func(mark drivers.Info) error {
		group.Go(func() error {
			tag := reference.Tag(path.Base(mark.Key))
			done, stop, err := r.untagOne(work, d, tag)
			mu.Lock()
			changed = append(changed, r.keys.tag(tag))
			mu.Unlock()
			if done {
				buried.Store(true)
			}
			if stop {
				return errRevived
			}
			return err
		})
		return work.Err()
	})
	if waitErr := group.Wait(); waitErr != nil {
		err = waitErr
	}
	if errors.Is(err, errRevived) {
		err = nil
	}
	if err == nil {
		err = r.registry.changed(ctx, changed...)
	}
	return buried.Load(), err
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
