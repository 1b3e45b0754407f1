package storage

import (
	"context"
	"path"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// # The journal
//
// Every push and deletion of a manifest or a tag writes one entry, journal/<ulid>, before anything of it becomes visible. It is the write-ahead log of the
// events that follow from it, and a root of the collector: what a push refers to is named there before its links are.
//
// The order, on which both rest:
//
//  1. The entry is written. Nothing of the push is visible; nothing that it refers to was looked at.
//  2. What it refers to is read: each pointer is live, or is swapped back to live.
//  3. The link, then the tags, within PushTime of 1 by this process's own measure; else the push fails with Unavailable. A collector that
//     marks reads the journal first and the links afterwards: whatever a push under way refers to, it finds in one of them.
//  4. The Outbox is told. Only then is the client answered.
//  5. Once every event of it was taken, or it is known that nothing came of it, the entry is removed (Settle), many at a time.
//
// A process that dies anywhere leaves the entry. Another one finds it and asks for its Outcome: what has become visible is delivered; what has not, and
// cannot any more, is dropped. An entry that could be either is delivered: an event may come twice, or for a push that was never acknowledged, but none
// that was acknowledged goes missing.
//
// An entry is written once, by one process, under a name of its own, and then only deleted; nobody swaps it. Deleting it twice does no harm.

// Action is what an entry is about.
type Action string

// The actions of the journal.
const (
	ActionPush   Action = "push"
	ActionDelete Action = "delete"
)

// PushTime is how long a push may take from its journal entry to its last tag.
const PushTime = 2 * time.Minute

// entryLapse is when an entry of which nothing is visible is dropped, counted from its id. It is far more than PushTime, for the sake of clocks that
// differ; whoever drops must have watched the entry for longer than PushTime as well, and that is what it rests on.
const entryLapse = 10 * time.Minute

// Entry is one push or deletion under way, or over and not yet delivered.
type Entry struct {
	ID         string          `json:"-"` // a ULID
	Action     Action          `json:"action"`
	Repository reference.Name  `json:"repository"`
	Digest     digest.Digest   `json:"digest,omitempty"` // empty where a tag alone is deleted
	Tags       []reference.Tag `json:"tags,omitempty"`
	References []digest.Digest `json:"references,omitempty"` // of a push: everything that the manifest names
	Stood      string          `json:"stood,omitempty"`      // of a deletion: the nonce of the record to be buried
	Note       []byte          `json:"note,omitempty"`       // for the Outbox; storage does not look inside
}

// Time is when the entry was written, by the clock of whoever wrote it.
func (e Entry) Time() time.Time { return entryTime(e.ID) }

func entryTime(id string) time.Time {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(parsed.Time())
}

// Outbox takes over what the journal holds. Safe for concurrent use.
type Outbox interface {
	// Committed is told of an entry whose work everybody can see, before its client is answered. It must not block; it need not succeed, since the
	// entry is found again. Whoever implements it calls Registry.Settle when nothing is left to be done for the entry.
	Committed(Entry)
}

// HandTo names who takes over what is in the journal; without an Outbox, entries are settled as soon as their work is done. It is called before the
// registry is used.
func (r *Registry) HandTo(outbox Outbox) { r.outbox = outbox }

// entryRecord is an entry as it is stored.
type entryRecord struct {
	header
	Entry
}

// enter writes an entry down.
func (r *Registry) enter(ctx context.Context, e Entry) (Entry, error) {
	e.ID = r.newID()
	_, err := swap(ctx, r.driver, r.keys.entry(e.ID), stored[entryRecord]{}, entryRecord{Entry: e})
	return e, err
}

// enterDeletion writes down that a record shall be buried, of which stood gives the nonce; nothing where there is none. Its event is that of the deletion
// that buried it, which has an entry of its own.
func (r *Repository) enterDeletion(ctx context.Context, live bool, e Entry, stood func() string) (Entry, error) {
	if !live {
		return Entry{}, nil
	}
	e.Action, e.Repository, e.Stood = ActionDelete, r.name, stood()
	return r.registry.enter(ctx, e)
}

// committed hands an entry over, whose work everybody can see.
func (r *Registry) committed(e Entry) {
	switch {
	case e.ID == "":
	case r.outbox != nil:
		r.outbox.Committed(e)
	default:
		r.Settle(e.ID)
	}
}

// abandonTime is how long the entry of a push that came to nothing may take to be removed. Else it lapses.
const abandonTime = 5 * time.Second

// abandon takes an entry back of which nothing has come, and nothing will.
func (r *Registry) abandon(ctx context.Context, e Entry) {
	if e.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTime)
	defer cancel()
	if err := r.driver.Delete(ctx, r.keys.entry(e.ID)); err != nil {
		r.Settle(e.ID)
	}
}

// Journal gives the ids of entries behind after, in order of their time, at most n of them, and where to go on; empty when that was all.
func (r *Registry) Journal(ctx context.Context, after string, n int) (ids []string, next string, err error) {
	return r.listIDs(ctx, r.keys.journalPrefix(), after, n)
}

// listIDs gives the last parts of a page of the keys below prefix.
func (r *Registry) listIDs(ctx context.Context, prefix, after string, n int) (ids []string, next string, err error) {
	opts := drivers.ListOptions{Prefix: prefix, Limit: n}
	if after != "" {
		opts.After = prefix + after
	}
	page, err := r.driver.List(ctx, opts)
	if err != nil {
		return nil, "", err
	}
	for _, object := range page.Objects {
		ids = append(ids, path.Base(object.Key))
	}
	if page.Next != "" && len(ids) > 0 {
		next = ids[len(ids)-1]
	}
	return ids, next, nil
}

// Entry reads an entry; nil where it is gone.
func (r *Registry) Entry(ctx context.Context, id string) (*Entry, error) {
	cur, err := load[entryRecord](ctx, r.driver, r.keys.entry(id))
	if err != nil || !cur.live() {
		return nil, err
	}
	cur.Value.ID = id
	return &cur.Value.Entry, nil
}

// Outcome is what has become of an entry.
type Outcome int

// What can be seen of an entry's work.
const (
	Pending Outcome = iota // nothing: it may still come
	Lapsed                 // nothing, and by its age nothing will come, if whoever asks has watched it for longer than PushTime
	Visible                // it was done, or may have been
)

// Outcome looks at what an entry was to change.
func (r *Registry) Outcome(ctx context.Context, e *Entry) (Outcome, error) {
	visible, err := r.visible(ctx, e)
	switch {
	case err != nil:
		return Pending, err
	case visible:
		return Visible, nil
	case r.opts.Now().Sub(e.Time()) > entryLapse:
		return Lapsed, nil
	}
	return Pending, nil
}

func (r *Registry) visible(ctx context.Context, e *Entry) (bool, error) {
	repository := r.Repository(e.Repository)
	if e.Digest == "" {
		tag, err := load[tagRecord](ctx, r.driver, repository.keys.tag(e.Tags[0]))
		return !tag.live() || tag.Value.Nonce != e.Stood, err
	}
	link, err := load[revision](ctx, r.driver, repository.keys.revision(e.Digest))
	switch {
	case err != nil:
		return false, err
	case e.Action == ActionDelete:
		return !link.live() || link.Value.Nonce != e.Stood, nil
	case link.etag == "": // there was never a link
		return false, nil
	}
	for _, tag := range e.Tags {
		cur, err := load[tagRecord](ctx, r.driver, repository.keys.tag(tag))
		if err != nil {
			return false, err
		}
		if cur.etag == "" || cur.live() && !cur.Value.held(e.Digest) {
			return false, nil
		}
	}
	return true, nil
}

// held says whether the tag points to d, or did as far as it remembers; one whose memory is full may have.
func (t *tagRecord) held(d digest.Digest) bool {
	if t.Digest == d || len(t.History) == historyLength {
		return true
	}
	for _, before := range t.History {
		if before.Digest == d {
			return true
		}
	}
	return false
}
