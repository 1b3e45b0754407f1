package storage

import (
	"context"
	"time"
)

// Outcome is what has become of an entry.
type Outcome int

// What can be seen of an entry's work.
const (
	Pending Outcome = iota // it may still come, as far as can be seen
	Lapsed                 // nothing came, and by its age nothing will, if whoever asks has watched the entry for longer than PushTime
	Visible                // everybody can see it; or it may have been done, and its time is over
)

// How old an entry is at least, by its id, before its age is believed. Both are more than PushTime for the sake of clocks that differ. A mistake with the
// first only tells of a push that was never acknowledged, or too early of one that is about to be. A mistake with the second would lose one that was
// acknowledged, so it does not rest on clocks: whoever drops an entry must have watched it for longer than PushTime as well.
const (
	entryOver  = PushTime + time.Minute
	entryLapse = 10 * time.Minute
)

type watchedKey struct{}

// Watched tells Outcome for how long the caller has watched an entry, by its own clock alone. What may have been done is then called visible only after more
// than PushTime, since by its age a push may seem to be over that is under way. Of whoever does not say, Outcome believes that it was long enough.
func Watched(ctx context.Context, since time.Duration) context.Context {
	return context.WithValue(ctx, watchedKey{}, since)
}

func watchedLong(ctx context.Context) bool {
	since, said := ctx.Value(watchedKey{}).(time.Duration)
	return !said || since > PushTime
}

// sight is what can be seen of an entry's work.
type sight int

const (
	sightNone   sight = iota // it was not done, or not all of it
	sightUnsure              // it may have been done, and overtaken since
	sightDone                // it was done
)

// Outcome looks at what an entry was to change. What was acknowledged never lapses, and a push is not called visible while it may be under way: what it did
// bears the id of its entry. Where that was overwritten since, age has to tell, and the time for which it was Watched. Whatever is called visible, no node
// remembers otherwise, once that was told (Gather).
func (r *Registry) Outcome(ctx context.Context, e *Entry) (Outcome, error) {
	looking, changed := Gather(ctx)
	seen, err := r.see(looking, e)
	age := r.opts.Now().Sub(e.Time())
	switch {
	case err != nil:
		return Pending, err
	case seen == sightDone, seen == sightUnsure && age > entryOver && watchedLong(ctx):
		if err := r.untold(ctx, changed.keys...); err != nil {
			return Pending, err
		}
		return Visible, nil
	case seen == sightNone && age > entryLapse:
		return Lapsed, nil
	}
	return Pending, nil
}

func (r *Registry) see(ctx context.Context, e *Entry) (sight, error) {
	repository := r.Repository(e.Repository)
	switch {
	case e.Action == ActionReplay:
		return sightDone, nil
	case e.Action == ActionPush:
		return repository.seePushed(ctx, e)
	case e.Digest == "":
		return repository.seeUntagged(ctx, e)
	}
	return repository.seeDeleted(ctx, e)
}

// seePushed looks at the tags, and at the link, which is made before them and never removed, unless the tags tell it all.
func (r *Repository) seePushed(ctx context.Context, e *Entry) (sight, error) {
	all := sightDone
	for _, tag := range e.Tags {
		cur, err := load[tagRecord](ctx, r.registry.driver, r.keys.tag(tag))
		if err != nil {
			return sightNone, err
		}
		seen := sightNone
		if cur.etag != "" {
			seen = cur.Value.sees(e)
		}
		if all = min(all, seen); all == sightNone {
			return sightNone, nil
		}
		if err := r.registry.untold(ctx, r.keys.tag(tag)); err != nil {
			return sightNone, err
		}
	}
	if len(e.Tags) == 0 || all != sightDone {
		link, err := load[revision](ctx, r.registry.driver, r.keys.revision(e.Digest))
		if err != nil || link.etag == "" {
			return sightNone, err
		}
		if !link.live() || link.Value.Entry != e.ID {
			all = sightUnsure // it was there before; or was deleted since, or before
		}
	}
	return all, nil
}

// sees says whether a push set this tag, which is nil where it was deleted. A tag knows the entries of its last pushes, but for those that set it to the same
// digest as the next one did, and those before it was deleted.
func (t *tagRecord) sees(e *Entry) sight {
	switch {
	case t == nil:
		return sightUnsure
	case t.Entry == e.ID:
		return sightDone
	}
	seen := sightNone
	if t.Digest == e.Digest || t.Born != "" || len(t.History) == historyLength {
		seen = sightUnsure
	}
	for _, before := range t.History {
		if before.Entry == e.ID {
			return sightDone
		}
		if before.Digest == e.Digest {
			seen = sightUnsure
		}
	}
	return seen
}

// seeDeleted looks for the link that was to be buried. Its life tells it from one that was made after that; an earlier release wrote down its nonce, which
// that of CNCF Distribution has not.
func (r *Repository) seeDeleted(ctx context.Context, e *Entry) (sight, error) {
	key := r.keys.revision(e.Digest)
	link, err := load[revision](ctx, r.registry.driver, key)
	if err != nil || link.live() && (link.Value.life() == e.Stood || link.Value.Nonce == e.Stood) {
		return sightNone, err
	}
	return sightDone, r.registry.untold(ctx, key)
}

// seeUntagged looks for the tag that was to be buried, in the old place as well. A push that moved it meanwhile changes nothing of when it was born.
func (r *Repository) seeUntagged(ctx context.Context, e *Entry) (sight, error) {
	cur, err := r.loadTag(ctx, e.Tags[0])
	if err != nil || cur.live() && cur.Value.Born == e.Stood {
		return sightNone, err
	}
	return sightDone, r.registry.untold(ctx, r.keys.tag(e.Tags[0]))
}
