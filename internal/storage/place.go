package storage

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// stayTime is how long a pointer that was seen live needs not be looked at again by somebody who is about to link to it. A pointer that is condemned
// after it was seen is not deleted before a day has passed and all links were gathered once more: a link that is made within the hour, by a request that
// began within it, is among those. So it need not be swapped back to live for that.
const stayTime = time.Hour

// stays says whether a pointer seen live then will stay for who links to it now.
func (r *Registry) stays(seen time.Time) bool {
	return !seen.IsZero() && before(r.opts.Now(), seen.Add(stayTime))
}

// before says whether it is earlier than then. Both clocks have to say so: the monotonic one does not count the time for which a machine was suspended, and the
// other one may be set back.
func before(now, then time.Time) bool { return now.Before(then) && now.Round(0).Before(then.Round(0)) }

// anew is the repository as the store has it, whatever is remembered: for fsck, the import, and what a compare-and-swap stands on.
func (r *Repository) anew() *Repository {
	fresh := *r
	fresh.fresh = true
	return &fresh
}

// locate finds the bytes of a blob, to be read; nil where there are none. A pointer that is remembered will do, however old: bytes under a digest
// do not change, and data that is gone is looked for anew (see Blob.renew and content).
func (r *Repository) locate(ctx context.Context, d digest.Digest) (place, error) {
	if !r.fresh {
		if at, ok := r.registry.cache.place(d); ok {
			return at, nil
		}
	}
	return r.locateAnew(ctx, d)
}

func (r *Repository) locateAnew(ctx context.Context, d digest.Digest) (place, error) {
	seen := r.registry.opts.Now()
	cur, err := r.registry.loadPointer(ctx, d)
	if err != nil || !cur.Value.there() {
		return place{}, err
	}
	if !r.fresh {
		r.registry.cache.learn(d, cur, seen)
	}
	return place{pointer: cur.Value}, nil
}

// hold finds the bytes of a blob and makes sure that the collector will not take them; nil where there are none.
func (r *Repository) hold(ctx context.Context, d digest.Digest) (place, error) {
	if !r.fresh {
		if at, ok := r.registry.cache.place(d); ok && r.registry.stays(at.seen) {
			return at, nil
		}
	}
	seen := r.registry.opts.Now()
	cur, err := r.registry.revive(ctx, d)
	if err != nil || !cur.Value.there() {
		return place{}, err
	}
	if !r.fresh {
		r.registry.cache.learn(d, cur, seen)
	}
	return place{pointer: cur.Value}, nil
}

// content gives the bytes of a manifest; nil where they turn out to be gone. It looks once more for those that are not where they were.
func (r *Repository) content(ctx context.Context, d digest.Digest, at place) ([]byte, error) {
	if at.inline() {
		return at.Inline, nil
	}
	if !r.fresh {
		if content, ok := r.registry.cache.content(d); ok {
			return content, nil
		}
	}
	content, _, err := readAll(ctx, r.registry.driver, r.registry.keys.bytes(d, at.pointer), maxManifest)
	if (errors.Is(err, drivers.ErrNotFound) || err == nil && int64(len(content)) != at.Size) && at.remembered {
		r.registry.cache.forget(d)
		if at, err = r.locateAnew(ctx, d); err != nil || at.pointer == nil {
			return nil, err
		}
		return r.content(ctx, d, at)
	}
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != at.Size {
		return nil, errors.New("the data of manifest " + d.String() + " has another size than its pointer says")
	}
	if !r.fresh {
		r.registry.cache.learnContent(d, content)
	}
	return content, nil
}
