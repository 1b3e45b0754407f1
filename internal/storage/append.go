package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// finishTime is how long the end of an upload request may take once its client is gone or the node is told to stop.
const finishTime = 12 * time.Second

// Chunk is the body of an upload request.
type Chunk struct {
	Body   io.Reader // nil for none
	Start  int64     // where the client says it begins; negative when it did not say
	Length int64     // bytes it must have; negative when the client did not say
	Once   bool      // nobody could come back for it: what is cut off is dropped

	Watch func(Upload)               // told of each durable point on the way, in order; must not block; may be nil
	Hold  func(context.Context) bool // asked before a checkpoint: false if another request has gone on with the upload; may be nil
}

// held says whether the request still has its upload.
func (c Chunk) held(ctx context.Context) bool { return c.Hold == nil || c.Hold(ctx) }

// WholeBody is a chunk that says nothing of itself.
func WholeBody(body io.Reader) Chunk { return Chunk{Body: body, Start: -1, Length: -1} }

// Append adds a chunk to an upload. When the error has the code RangeInvalid, or the client went away in the middle, the Upload returned is where
// to go on; otherwise after an error it is the one given, which stays as good as it was, or the same place behind newer checkpoints, if the chunk was dropped
// after it had come to one.
func (r *Repository) Append(ctx context.Context, up Upload, chunk Chunk) (Upload, error) {
	if err := r.registry.writable(); err != nil {
		return up, err
	}
	up, err := r.position(ctx, up, chunk.Start)
	if err != nil {
		return up, err
	}
	first := make([]byte, 1)
	switch _, err := io.ReadFull(chunk.Body, first); {
	case err == io.EOF && chunk.Length <= 0:
		return up, nil // some clients begin with an empty chunk
	case err != nil && superseded(ctx):
		return r.takenOver(ctx, up)
	case err != nil:
		return up, cutOff(fmt.Errorf("%w: %w", errBody, err))
	}
	chunk.Body = io.MultiReader(bytes.NewReader(first), chunk.Body)
	return r.stream(ctx, up, chunk, "")
}

// position finds the point of the upload at which a chunk that begins at start can be added. A client that names a place other than its token's may
// have lost the answer with the newer token.
func (r *Repository) position(ctx context.Context, up Upload, start int64) (Upload, error) {
	up, err := r.fetch(ctx, up)
	if err != nil || start < 0 || start == up.Offset {
		return up, err
	}
	if up, err = r.latest(ctx, up); err != nil || start == up.Offset {
		return up, err
	}
	return up, rangeInvalid(up)
}

// stream hands the chunk to the driver. With want, the chunk ends the blob and is dropped where the whole does not have that digest.
func (r *Repository) stream(ctx context.Context, up Upload, chunk Chunk, want digest.Digest) (Upload, error) {
	hash, err := up.newHash()
	if err != nil {
		return up, err
	}
	src := &source{ctx: ctx, body: chunk.Body, hash: hash, left: chunk.Length, want: want, once: chunk.Once, held: chunk.held}
	work, stop := workContext(ctx, up.Started.Add(longestUpload).Sub(r.registry.opts.Now()))
	defer stop()

	way := &way{Repository: r, ctx: work, chunk: chunk, reached: up}
	from, saved := drivers.Source(src), way.save
	if chunk.Once {
		saved = nil
	} else if chunk.Watch != nil {
		from = watchedSource{src, way.tell}
	}
	session, err := r.registry.driver.Append(work, up.session, r.registry.keys.data(r.registry.newID()), from, saved)
	switch {
	case err != nil && (errors.Is(err, ErrTakenOver) || superseded(ctx)):
		return r.takenOver(ctx, up)
	case errors.Is(err, drivers.ErrNotFound):
		return r.lost(ctx, up)
	case errors.Is(err, drivers.ErrDiscard):
		return way.back(up), cutOff(err)
	case err != nil && session.Offset > way.reached.Offset:
		// The client went away. It has no token for what came through, so that only a checkpoint can tell it.
		if saveErr := way.save(session); saveErr != nil {
			return way.reached, fmt.Errorf("%w (and its checkpoint was not written: %w)", cutOff(err), saveErr)
		}
		return way.reached, cutOff(err)
	case err != nil:
		return way.reached, cutOff(err)
	}

	next := way.reached.at(session)
	if want != "" || next.Offset < checkpointAfter && !next.tooLong() {
		return next, nil
	}
	if err = way.save(session); errors.Is(err, ErrTakenOver) {
		return r.takenOver(ctx, up)
	}
	return way.reached, err
}

// longestUpload is when an upload is over even for a request that still moves: a day after its start the janitor may take what no pointer names.
const longestUpload = 23 * time.Hour

// workContext outlives the request: when its client goes away, or the node has to stop, what was received is still made durable. When another request has
// taken over, it ends at once.
func workContext(ctx context.Context, left time.Duration) (context.Context, context.CancelFunc) {
	work, over := context.WithTimeout(context.WithoutCancel(ctx), left)
	work, cancel := context.WithCancelCause(work)
	stop := context.AfterFunc(ctx, func() {
		if superseded(ctx) {
			cancel(ErrTakenOver)
			return
		}
		time.AfterFunc(finishTime, func() { cancel(context.DeadlineExceeded) })
	})
	return work, func() { stop(); cancel(context.Canceled); over() }
}

// superseded says whether a request was told to stop because another has taken over.
func superseded(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrTakenOver) }

// takenOver answers a request that lost its upload to another one.
func (r *Repository) takenOver(ctx context.Context, up Upload) (Upload, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	now, err := r.latest(ctx, up)
	if err != nil {
		return up, err
	}
	return now, rangeInvalid(now)
}

// lost answers a request whose session the store does not have: the upload came to its end, or another request has gone on with it.
func (r *Repository) lost(ctx context.Context, up Upload) (Upload, error) {
	now, err := r.takenOver(ctx, up)
	if CodeOf(err) == RangeInvalid && now.Seq == up.Seq {
		return up, uploadUnknown()
	}
	return now, err
}

// errBody marks an error of the request's body: the client, or the way to it, failed.
var errBody = errors.New("the body was cut off")

// cutOff makes a failure of the client's out of an error of its body.
func cutOff(err error) error {
	if errors.Is(err, errBody) && !errors.Is(err, context.Canceled) { // a node that stops is not the client's fault
		message := "the body ended too early, ask for the status of the upload and go on from there"
		if errors.Is(err, drivers.ErrDiscard) {
			message = "the body ended too early, push the blob again"
		}
		return &Error{Code: BlobUploadInvalid, Message: message, Err: err}
	}
	return err
}

func rangeInvalid(up Upload) error {
	return fail(RangeInvalid, "the upload stands at another offset, go on from where the Range header says", map[string]int64{"offset": up.Offset})
}

// UploadStatus is the newest point of the upload that is known.
func (r *Repository) UploadStatus(ctx context.Context, up Upload) (Upload, error) {
	now, err := r.latest(ctx, up)
	if err != nil {
		return r.unfinished(ctx, up, err)
	}
	return now, nil
}

// CancelUpload ends an upload. What it stored is dropped; requests under way fail at their next checkpoint.
func (r *Repository) CancelUpload(ctx context.Context, up Upload) error {
	if err := r.registry.writable(); err != nil {
		return err
	}
	for {
		now, err := r.latest(ctx, up)
		if err != nil {
			return err
		}
		if _, err = r.save(ctx, now, checkpoint{Session: now.session, Cancelled: true}); errors.Is(err, ErrTakenOver) {
			up = now
			continue
		} else if err != nil {
			return err
		}
		r.registry.gone.add(up.ID)
		if now.session.Key == "" {
			return nil
		}
		return r.registry.driver.Abort(ctx, now.session)
	}
}
