package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
// A deletion does the same: its entry, the tombstone within PushTime of it, the other tags, the Outbox, the answer. An entry whose push fails before 3, on
// bad input most often, is taken back.
//
// A process that dies anywhere leaves the entry. Another one finds it and asks for its Outcome (outcome.go): what has become visible is delivered; what
// has not, and cannot any more, is dropped. An entry that could be either is delivered: an event may come twice, or for a push that was never
// acknowledged, but none that was acknowledged goes missing.
//
// Where nodes have no Redis in common, the relay would have to read each entry of another node, and what came of it. So a node that was told of several hands
// them to the relay as one object (handed.go): these are visible, and this is their note. That is a hint and nothing more. It names entries that stand in
// the journal, and is worth nothing without them; if it is not written, is broken, comes twice or is lost, the entries are found as ever.
//
// An entry is written once, by one process, under a name of its own, and then only deleted; nobody swaps it. Deleting it twice does no harm.

// Action is what an entry is about.
type Action string

// The actions of the journal.
const (
	ActionPush   Action = "push"
	ActionDelete Action = "delete"
	ActionReplay Action = "replay" // of events that endpoints did not take before; nothing is changed (replay.go)
)

// PushTime is how long a push may take from its journal entry to its last tag.
const PushTime = 2 * time.Minute

// inTime fails where a push or deletion that began with a context of PushTime took longer. A process or a machine that was stopped, or a driver that does not
// look at its context, may not have noticed: what is acknowledged was done in time all the same.
func inTime(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !before(time.Now(), deadline) {
		return fmt.Errorf("it took longer than %v: %w", PushTime, context.DeadlineExceeded)
	}
	return nil
}

// Entry is one push or deletion under way, or over and not yet delivered.
type Entry struct {
	ID         string          `json:"-"` // a ULID
	Action     Action          `json:"action"`
	Repository reference.Name  `json:"repository"`
	Digest     digest.Digest   `json:"digest,omitempty"` // empty where a tag alone is deleted
	Tags       []reference.Tag `json:"tags,omitempty"`
	References []digest.Digest `json:"references,omitempty"` // of a push: everything that the manifest names
	Stood      string          `json:"stood,omitempty"`      // of a deletion: what tells the record to be buried from those that come to stand there later
	Endpoints  []string        `json:"endpoints,omitempty"`  // of a replay: these alone are to hear of it; whoever has none of them leaves it to others
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

// enterDeletion writes down that a record shall be buried, which stood tells from those that come to stand there later; nothing where there is none. Its
// event is that of the deletion that buried it, which has an entry of its own.
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

// listIDs gives the ids on a page of the keys below prefix, and where to go on. Keys of others are passed over.
func (r *Registry) listIDs(ctx context.Context, prefix, after string, n int) (ids []string, next string, err error) {
	opts := drivers.ListOptions{Prefix: prefix, Limit: n}
	if after != "" {
		opts.After = prefix + after
	}
	for {
		page, err := r.driver.List(ctx, opts)
		if err != nil {
			return nil, "", err
		}
		for _, object := range page.Objects {
			if id, ok := parseULID(object.Key, prefix); ok {
				ids = append(ids, id)
			}
		}
		if page.Next == "" || len(ids) > 0 {
			return ids, strings.TrimPrefix(page.Next, prefix), nil
		}
		opts.After = page.Next
	}
}

// UnreadableError is of an entry or a dead event that is there, and that this release can make nothing of: to read it again does not help.
type UnreadableError struct {
	Content []byte // as it stands in the store
	Err     error
}

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }

// Entry reads an entry; nil where it is gone. One that it can make nothing of is an UnreadableError; after any other error it can be tried again.
func (r *Registry) Entry(ctx context.Context, id string) (*Entry, error) {
	key := r.keys.entry(id)
	content, _, err := readAll(ctx, r.driver, key, maxRecord)
	if errors.Is(err, drivers.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entry, err := decode[entryRecord](key, content)
	if err == nil && entry == nil {
		return nil, nil
	}
	if err == nil {
		entry.ID, err = id, entry.check()
	}
	if err != nil {
		return nil, &UnreadableError{content, fmt.Errorf("journal entry %s cannot be used: %w", id, err)}
	}
	return &entry.Entry, nil
}

// check fails for what this release never writes: it is left to one that knows what to make of it.
func (e *Entry) check() error {
	switch {
	case e.Action == ActionPush && e.Digest != "":
	case e.Action == ActionDelete && (e.Digest != "" || len(e.Tags) == 1):
	case e.Action == ActionReplay && len(e.Endpoints) > 0:
	default:
		return fmt.Errorf("the action %q on the digest %q and %d tags is not known", e.Action, e.Digest, len(e.Tags))
	}
	if _, err := reference.ParseName(string(e.Repository)); err != nil {
		return err
	}
	for _, tag := range e.Tags {
		if _, err := reference.ParseTag(string(tag)); err != nil {
			return err
		}
	}
	if e.Digest == "" {
		return nil
	}
	_, err := reference.ParseDigest(e.Digest.String())
	return err
}
