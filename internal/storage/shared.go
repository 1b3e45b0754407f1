package storage

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

// # What is asked through Facts
//
// Where a tag points, and whether a repository has a manifest or a blob: each under the key of its record. That there is no such record is never
// remembered. Whoever swaps one of these records tells Facts before anybody is told of it, and so does a request that swapped nothing but found
// the record gone, because the one that did may not have come so far: a client that was told that a tag is gone shall not find it there. Creating what
// never was needs no telling.
//
// What a compare-and-swap stands on is always read from the store, and so are lists.
//
// A tag of CNCF Distribution's that was not brought over yet is a state of its own, the first there is: whatever comes to stand at our key takes its
// place for good. Bringing it over changes nothing of what it says. And what makes it vanish, the deletion of its manifest, brings it over before. So it
// can be remembered like any other. Links of blobs are read from the store as long as blobs are being brought over, since what is in them counts then.

// manifestFact is what a tag, or the link of a manifest, says.
type manifestFact struct {
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType,omitempty"` // empty where CNCF Distribution wrote the link
	Size      int64         `json:"size"`
}

// usable says whether a fact is one, and not just something that parses.
func (f *manifestFact) usable() bool {
	_, err := reference.ParseDigest(f.Digest.String())
	return err == nil && f.Size >= 0
}

// pointsTo is where a tag points; nil where there is no such tag.
func (r *Repository) pointsTo(ctx context.Context, tag reference.Tag) (*manifestFact, error) {
	return r.manifestFact(ctx, r.keys.tag(tag), func(ctx context.Context) (*manifestFact, string, error) {
		cur, err := r.loadTag(ctx, tag)
		switch {
		case err != nil || cur.etag == "" && !cur.live(): // that it ever was, nobody can remember
			return nil, "", err
		case !cur.live() && r.registry.longBuried(cur.since):
			return nil, "", nil
		case !cur.live():
			return nil, rand.Text(), nil // all tombstones have one ETag
		}
		version := cmp.Or(cur.etag, "distribution")
		return &manifestFact{cur.Value.Digest, cur.Value.MediaType, cur.Value.Size}, version, nil
	})
}

// longBuriedAge is how old a tombstone must be to need no version. What was read before it can be remembered for a second at most; the rest is for clocks
// that disagree.
const longBuriedAge = 5 * time.Minute

// longBuried says whether nobody can remember anything older than a tombstone that was written at since, by the store's clock. Else, with Redis away, each
// read of a deleted tag would be as slow as the first. A clock is good enough for that: where it is off by minutes, and Redis is away, one reader may see a
// tag in the second after another saw it deleted. What the deletion itself has answered does not rest on it.
func (r *Registry) longBuried(since time.Time) bool {
	return !since.IsZero() && r.opts.Now().Sub(since) > longBuriedAge
}

// hasManifest is what the repository knows of a manifest; nil where it has none.
func (r *Repository) hasManifest(ctx context.Context, d digest.Digest) (*manifestFact, error) {
	key := r.keys.revision(d)
	return r.manifestFact(ctx, key, func(ctx context.Context) (*manifestFact, string, error) {
		link, err := load[revision](ctx, r.registry.driver, key)
		if err != nil || !link.live() {
			return nil, "", err
		}
		return &manifestFact{d, link.Value.MediaType, link.Value.Size}, "", nil
	})
}

// manifestFact asks for the fact at key, or read itself where nothing that is remembered will do.
func (r *Repository) manifestFact(ctx context.Context, key string, read func(context.Context) (*manifestFact, string, error)) (*manifestFact, error) {
	if !r.fresh {
		value, err := r.registry.opts.Facts.Fetch(ctx, key, func(ctx context.Context) (Fact, error) {
			found, version, err := read(ctx)
			if err != nil || found == nil {
				return Fact{Version: version}, err
			}
			value, err := json.Marshal(found)
			return Fact{Value: value, Version: version}, err
		})
		if err != nil || value == nil {
			return nil, err
		}
		var found manifestFact
		if err := json.Unmarshal(value, &found); err == nil && found.usable() {
			return &found, nil
		}
	}
	found, _, err := read(ctx) // also where another release wrote what this one cannot read
	return found, err
}

// linkThere is all that is remembered of the link of a blob.
var linkThere = []byte("1")

// mayServe gives the link of a blob; nil where there is none.
func (r *Repository) mayServe(ctx context.Context, d digest.Digest, old bool) (*layerLink, error) {
	key := r.keys.layer(d)
	if old || r.fresh {
		link, err := load[layerLink](ctx, r.registry.driver, key)
		return link.Value, err
	}
	value, err := r.registry.opts.Facts.Fetch(ctx, key, func(ctx context.Context) (Fact, error) {
		link, err := load[layerLink](ctx, r.registry.driver, key)
		if err != nil || !link.live() {
			return Fact{}, err
		}
		return Fact{Value: linkThere}, nil
	})
	if err != nil || value == nil {
		return nil, err
	}
	return &layerLink{}, nil
}

// link makes a blob one of this repository.
//
// The write is made where Facts would read, so that what follows (most often, the push of a manifest) finds the link remembered: a deletion that comes
// after it tells Facts, which then forget it, as they forget what was read. A link that is remembered is not enough to leave the write out. It may have
// been buried by a deletion that nobody was told of yet, and a client that has seen that all the same would push the blob, be told that it is there,
// and find it gone. It only tells what is cheaper: to look before writing.
func (r *Repository) link(ctx context.Context, d digest.Digest) error {
	key := r.keys.layer(d)
	write := func(ctx context.Context, cur stored[layerLink]) error {
		_, err := update(ctx, r.registry.driver, key, cur, func(l *layerLink) *layerLink {
			if l != nil {
				return nil
			}
			return &layerLink{}
		})
		return err
	}
	made := make(outcome, 1)
	_, _ = r.registry.opts.Facts.Fetch(ctx, key, func(ctx context.Context) (Fact, error) {
		err := write(ctx, stored[layerLink]{})
		made.set(err)
		return Fact{Value: linkThere}, err
	})
	if err, ok := made.get(); ok {
		return err
	}
	cur, err := load[layerLink](ctx, r.registry.driver, key)
	if err != nil {
		return err
	}
	return write(ctx, cur)
}

// outcome is how something went that may not have been done. Fetch need not call what it is given, or may call it for somebody else.
type outcome chan error // that holds one

func (o outcome) set(err error) {
	select {
	case o <- err:
	default:
	}
}

func (o outcome) get() (err error, done bool) {
	select {
	case err = <-o:
		return err, true
	default:
		return nil, false
	}
}

// changed tells that records were, or may have been, swapped.
func (r *Registry) changed(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return r.opts.Facts.Changed(ctx, keys...)
}
