package storage

import (
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
}

// ErrTakenOver: another request has gone on with this upload. It is also the cause with which the context of a request ends that is to stop for that reason:
// nothing more is written for it.
var ErrTakenOver = errors.New("another request has gone on with this upload")

// errForgotten: a checkpoint is gone, as it is after the end of its upload.
var errForgotten = errors.New("the checkpoint is gone")

// save writes the next checkpoint of up, at session.
func (r *Repository) save(ctx context.Context, up Upload, session drivers.Session, cancelled bool) (Upload, error) {
	next := up
	next.Seq++
	next.session, next.Offset, next.remote = session, session.Offset, false
	_, err := swap(ctx, r.registry.driver, r.keys.checkpoint(up.ID, next.Seq), stored[checkpoint]{}, checkpoint{
		Started: up.Started.Unix(), Algorithm: up.Algorithm, Session: session, Cancelled: cancelled,
	})
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
	if w.reached, err = w.Repository.save(w.ctx, w.reached, s, false); err == nil {
		w.tell(s)
	}
	return err
}

// tell says that the upload is durable up to s.
func (w *way) tell(s drivers.Session) {
	if w.chunk.Watch != nil {
		w.chunk.Watch(w.reached.at(s))
	}
}

// latest is the newest checkpoint of the upload, or up itself where none is newer.
func (r *Repository) latest(ctx context.Context, up Upload) (Upload, error) {
	if r.registry.gone.has(up.ID) {
		return up, uploadUnknown()
	}
	newest, opts := up.Seq, drivers.ListOptions{Prefix: r.keys.uploadPrefix(up.ID)}
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
	if !cur.live() {
		unknown := uploadUnknown()
		unknown.Err = errForgotten
		return up, unknown
	}
	if cur.Value.Cancelled {
		return up, uploadUnknown()
	}
	up.Seq, up.session, up.Offset, up.remote = seq, cur.Value.Session, cur.Value.Session.Offset, false
	return up, nil
}

// forget removes the checkpoints of an upload that has come to its end. What a failure leaves behind is found by its age.
func (r *Repository) forget(ctx context.Context, up Upload) {
	if up.Seq == 0 {
		return
	}
	keys := make([]string, 0, up.Seq)
	for seq := range up.Seq {
		keys = append(keys, r.keys.checkpoint(up.ID, seq+1))
	}
	_ = r.registry.driver.Delete(ctx, keys...)
}

func uploadUnknown() *Error {
	return fail(BlobUploadUnknown, "this upload is not known here or is over, start it again with POST", nil)
}
