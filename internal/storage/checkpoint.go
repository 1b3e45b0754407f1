package storage

import (
	"bytes"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// checkpointAfter is the offset from which the end of every request is written down. Below it a client that lost the answer sends its bytes again.
const checkpointAfter = 16 << 20

// checkpoint is a durable point of an upload. Its key has the upload's sequence number and is created once: of two requests that go on from one
// point the first to write its checkpoint has the upload, the other stops.
type checkpoint struct {
	header
	Started   int64            `json:"started"` // seconds since 1970
	Algorithm digest.Algorithm `json:"algorithm"`
	Session   drivers.Session  `json:"session"`
	Cancelled bool             `json:"cancelled,omitempty"` // no request goes on from here
	Closed    digest.Digest    `json:"closed,omitempty"`    // nor here: the upload has become this blob, or is about to
	Data      string           `json:"data,omitempty"`      // id of that blob's bytes, where they are not the session's (see rehash)
}

// ErrTakenOver: another request has gone on with this upload. It is also the cause with which the context of a request ends that is to stop for that reason:
// nothing more is written for it.
var ErrTakenOver = errors.New("another request has gone on with this upload")

// save writes the next checkpoint of up.
func (r *Repository) save(ctx context.Context, up Upload, c checkpoint) (Upload, error) {
	next := up.at(c.Session)
	next.Seq++
	next.saved = true
	c.Started, c.Algorithm = up.Started.Unix(), up.Algorithm
	_, err := swap(ctx, r.registry.driver, r.keys.checkpoint(up.ID, next.Seq), stored[checkpoint]{}, c)
	if errors.Is(err, drivers.ErrPrecondition) {
		return up, ErrTakenOver
	}
	if err != nil {
		return up, err
	}
	return next, nil
}

// way is what an upload leaves behind while a chunk is added to it. Drivers do not call its methods side by side.
type way struct {
	*Repository
	ctx     context.Context
	chunk   Chunk
	reached Upload // the last checkpoint, or where the way began
}

// save writes a checkpoint, unless another request has the upload.
func (w *way) save(s drivers.Session) (err error) {
	if !w.chunk.held(w.ctx) {
		return ErrTakenOver
	}
	if w.reached, err = w.Repository.save(w.ctx, w.reached, checkpoint{Session: s}); err == nil {
		w.say(w.reached)
	}
	return err
}

// back lets the upload stand where it stood at from, once what came on the way was dropped. Checkpoints of that are in the way of whoever goes on from there:
// another one, behind them, says where that is. If it cannot be written, the upload stands at the last of those.
func (w *way) back(from Upload) Upload {
	if w.reached.Seq == from.Seq {
		return from
	}
	dropped := w.reached.session
	if w.save(from.session) != nil {
		return from
	}
	if dropped.Key != from.session.Key {
		_ = w.registry.driver.Abort(w.ctx, dropped) // no checkpoint that counts names it any more: what stays is found by its age
	}
	return w.reached
}

// tell says that the upload is durable up to s, if a client could be given that point.
func (w *way) tell(s drivers.Session) { w.say(w.reached.at(s)) }

func (w *way) say(at Upload) {
	if w.chunk.Watch != nil && at.fits() {
		w.chunk.Watch(at)
	}
}

// latest is the newest checkpoint of the upload, or up itself where none is newer.
func (r *Repository) latest(ctx context.Context, up Upload) (Upload, error) {
	if r.registry.gone.has(up.ID) {
		return up, uploadUnknown()
	}
	newest, opts := up.Seq, drivers.ListOptions{Prefix: r.keys.uploadPrefix(up.ID), After: r.keys.checkpoint(up.ID, up.Seq)}
	for {
		page, err := r.registry.driver.List(ctx, opts)
		if err != nil {
			return up, err
		}
		for _, object := range page.Objects {
			if seq, ok := parseCheckpoint(object.Key); ok && seq > newest {
				newest = seq
			}
		}
		if opts.After = page.Next; opts.After == "" {
			break
		}
	}
	if newest == up.Seq && !up.remote {
		return up, nil
	}
	return r.restore(ctx, up, newest)
}

// fetch makes sure that the session of up is here. A point between two checkpoints whose session nobody has is gone; the answer is the newest that is left.
func (r *Repository) fetch(ctx context.Context, up Upload) (Upload, error) {
	if r.registry.gone.has(up.ID) {
		return up, uploadUnknown()
	}
	if !up.remote {
		return up, nil
	}
	kept, err := r.restore(ctx, up, up.Seq)
	if err != nil || kept.Offset == up.Offset {
		return kept, err
	}
	if kept, err = r.latest(ctx, kept); err != nil {
		return up, err
	}
	return kept, rangeInvalid(kept)
}

// restore is the upload as checkpoint seq has it.
func (r *Repository) restore(ctx context.Context, up Upload, seq uint64) (Upload, error) {
	cur, err := load[checkpoint](ctx, r.registry.driver, r.keys.checkpoint(up.ID, seq))
	if err != nil {
		return up, err
	}
	if !cur.live() || cur.Value.Closed != "" {
		unknown := uploadUnknown()
		unknown.Err = over{cur.Value, seq}
		return up, unknown
	}
	if cur.Value.Cancelled {
		return up, uploadUnknown()
	}
	up.Seq, up.session, up.Offset, up.remote, up.saved = seq, cur.Value.Session, cur.Value.Session.Offset, false, true
	if up.Offset > 0 {
		up.Algorithm = cur.Value.Algorithm // that of the PUT which brought the first bytes, if there was no PATCH
	}
	return up, nil
}

// close lets an upload come to its end once. It gives the upload as it was closed: by a repetition of this request, its session may be another one with
// the same bytes. Its checkpoints stay until the janitor finds them by their age: a request that stands still somewhere, and wakes up when all is over,
// finds the next one taken. An upload without a checkpoint has nothing that could be taken; two that end it each store what they sent, under its digest.
//
// From here on the upload comes to an end or to nothing: whoever finds it closed, and wants the same blob, finishes what was begun (see again).
// data is that of the checkpoint.
func (r *Repository) close(ctx context.Context, up Upload, want digest.Digest, data string) (Upload, error) {
	if up.Seq == 0 {
		return up, nil
	}
	_, err := r.save(ctx, up, checkpoint{Session: up.session, Closed: want, Data: data})
	if !errors.Is(err, ErrTakenOver) {
		return up, err
	}
	cur, err := load[checkpoint](ctx, r.registry.driver, r.keys.checkpoint(up.ID, up.Seq+1))
	if err != nil {
		return up, err
	}
	if cur.live() && cur.Value.Closed != "" && (cur.Value.Closed == want || bytes.Equal(cur.Value.Session.Mark, up.session.Mark)) {
		return up.at(cur.Value.Session), nil
	}
	return r.takenOver(ctx, up)
}

func uploadUnknown() *Error {
	return fail(BlobUploadUnknown, "this upload is not known here or is over, start it again with POST", nil)
}
