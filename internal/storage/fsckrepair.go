package storage

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// # Blobs whose bytes were lost
//
// A blob whose data is gone still has its pointer, so that a HEAD finds it and clients leave it out of their push. With Repair it is withdrawn: its pointer is
// swapped to deleting, which every release takes for a blob that is not there and replaces when the blob is pushed. A process that remembers the pointer goes on
// answering HEAD with it for an hour (stayTime). If the bytes come back where the pointer says (the rest of a backup, say), Repair makes it live again.

// damaged reports a blob whose bytes are not as its pointer says, unless it was pushed again under our eyes.
func (f *fsck) damaged(ctx context.Context, key string, d digest.Digest, cur stored[pointer], wrong string) error {
	if now, err := f.loadPointer(ctx, d); err != nil || now.etag != cur.etag {
		return ignoreDamage(err)
	}
	finding := Finding{Severity: Damage, Key: key, Message: wrong}
	if f.opts.Repair && cur.etag != "" {
		next := *cur.Value
		next.State, next.Withdrawn = stateDeleting, true
		now, err := swap(ctx, f.driver, f.keys.pointer(d), cur, next)
		if errors.Is(err, drivers.ErrPrecondition) {
			return nil
		}
		if err != nil {
			return err
		}
		cur, finding.Repaired = now, true
	}
	f.loses(d, cur)
	f.report(finding)
	return nil
}

// checkWithdrawn looks whether the bytes of a blob that is not served have come back. Only all of them will do.
func (f *fsck) checkWithdrawn(ctx context.Context, key string, d digest.Digest, cur stored[pointer]) error {
	f.loses(d, cur)
	if !cur.Value.Withdrawn {
		return nil
	}
	whole, err := f.holds(ctx, d, cur.Value, cur.Value.Size)
	if err != nil || !whole {
		return err
	}
	if !cur.Value.inline() {
		if got, err := f.digest(ctx, d, cur.Value); err != nil || got != d {
			return ignoreDamage(err)
		}
	}
	finding := Finding{Severity: Note, Key: key, Message: "it was withdrawn for the bytes it lacked, and they are back: fsck --repair serves it again"}
	if f.opts.Repair {
		next := *cur.Value
		next.State, next.Withdrawn = stateLive, false
		if _, err := swap(ctx, f.driver, f.keys.pointer(d), cur, next); err != nil {
			if errors.Is(err, drivers.ErrPrecondition) {
				return nil
			}
			return err
		}
		f.loses(d, stored[pointer]{})
		finding.Repaired, finding.Message = true, "it was withdrawn for the bytes it lacked; they are back, and it is served again"
	}
	f.report(finding)
	return nil
}

// loses notes which pointer of a blob leads to nothing; one without an ETag takes that back.
func (f *fsck) loses(d digest.Digest, cur stored[pointer]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blobs[d].lost = cur.etag
}

// bytesLost says whether a blob was met whose bytes are missing or wrong, and still are.
func (f *fsck) bytesLost(ctx context.Context, d digest.Digest) (bool, error) {
	f.mu.Lock()
	blob := f.blobs[d]
	f.mu.Unlock()
	if blob == nil || blob.lost == "" {
		return false, nil
	}
	now, err := f.loadPointer(ctx, d)
	return now.etag == blob.lost, ignoreDamage(err)
}
