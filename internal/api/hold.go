package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// hold is what a request has of an upload while it goes on with it.
type hold struct {
	ctx    context.Context // ends with the cause storage.ErrTakenOver when another request has the upload
	up     storage.Upload  // where the token stands
	newest storage.Upload  // as far as is known

	h          *handler
	w          http.ResponseWriter
	r          *http.Request
	repository *storage.Repository
	token      string
	claim      uploadtoken.Claim
	closing    bool
	reached    storage.Upload // where the upload stands after the request; up if nothing came of it
	unsure     bool           // the store may have a newer point, and was not asked, or did not answer
	over       bool           // it came to its end
	released   bool
	stop       func()
}

// hold claims the upload that a token names, for a request that goes on with it. If another is at it, that is a 416 before anything of the body is read.
func (h *handler) hold(w http.ResponseWriter, r *http.Request, repository *storage.Repository, token string, closing bool) (*hold, error) {
	claim, err := h.tokens.Claim(r.Context(), string(repository.Name()), token, closing)
	if errors.Is(err, uploadtoken.ErrBusy) {
		newest, err := resume(claim.Newest())
		if err != nil {
			return nil, err
		}
		if err := h.uploadHeaders(w, r, repository, newest); err != nil {
			return nil, err
		}
		return nil, &storage.Error{Code: storage.RangeInvalid, Message: "another request is at this upload, wait for its end and ask for the status"}
	}
	if err != nil {
		return nil, tokenError(err)
	}
	held := &hold{h: h, w: w, r: r, repository: repository, token: token, claim: claim, closing: closing, ctx: r.Context(), stop: func() {}}
	if err := held.begin(); err != nil {
		held.release()
		return nil, err
	}
	return held, nil
}

// begin finds out where the upload stands, and watches over the claim.
func (u *hold) begin() (err error) {
	point, newest := u.claim.Point(), u.claim.Newest()
	u.unsure = newest.Abandoned
	if u.up, err = resume(point); err != nil {
		return err
	}
	if u.newest, err = resume(newest); err != nil {
		return err
	}
	u.up = u.up.Filled(u.newest)
	u.reached = u.up
	if u.unsure {
		if err := u.inherit(); err != nil {
			return err
		}
	}
	if u.claim.Lost() != nil {
		u.watch()
	}
	return nil
}

// inherit asks the store how far the request came that died at the upload. If that closed it, this may be the same request once more: storage is to say so.
func (u *hold) inherit() error {
	now, err := u.repository.UploadStatus(u.r.Context(), u.newest)
	if u.closing && storage.CodeOf(err) == storage.BlobUploadUnknown && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	u.newest, u.unsure = now, false
	u.up = u.up.Filled(u.newest)
	u.reached = u.up
	if u.up.Before(u.newest) {
		u.reached = u.newest
	}
	return nil
}

// watch ends the request when the claim is lost, also where it waits for its client.
func (u *hold) watch() {
	ctx, cancel := context.WithCancelCause(u.r.Context())
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-u.claim.Lost():
			cancel(storage.ErrTakenOver)
			_ = http.NewResponseController(u.w).SetReadDeadline(time.Unix(1, 0))
		case <-over:
		}
	}()
	u.ctx = ctx
	u.stop = func() {
		close(over)
		<-ended
		cancel(nil)
	}
}

var errStale = &storage.Error{Code: storage.RangeInvalid, Message: "the upload has gone on beyond this Location, go on from where the Range header says"}

// chunk is the body of the request. One that begins where the upload stands goes on from there, though its token does not know.
func (u *hold) chunk(r *http.Request) (storage.Chunk, error) {
	chunk, err := chunkOf(r)
	if err != nil {
		return chunk, err
	}
	switch {
	case chunk.Start >= 0 && chunk.Start != u.up.Offset && chunk.Start == u.newest.Offset:
		u.up = u.newest
	case !u.closing && chunk.Body != nil && u.up.Before(u.newest):
		// Were it let in, the client that brought the upload there would find it busy, for bytes that nobody asked for.
		return chunk, errStale
	case u.claim.Newest().Abandoned && !u.unsure && u.up.Seq < u.newest.Seq && chunk.Body != nil && (u.up.Offset > 0 || !u.closing):
		// A checkpoint of the one that died is in the way of the next: better now than after so many bytes.
		return chunk, errStale
	}
	if u.claim.Lost() != nil {
		chunk.Watch = func(up storage.Upload) {
			if up.Lasts(uploadtoken.MaxPoint) {
				u.claim.Reached(sealable(u.repository, up, uploadtoken.MaxPoint))
			}
		}
		chunk.Hold = u.claim.Held
		if chunk.Body != nil {
			chunk.Body = waitingBody{chunk.Body, u.claim}
		}
	}
	return chunk, nil
}

// waitingBody tells the claim when the request waits for its client: one that vanished without a word shall not keep its upload from itself.
type waitingBody struct {
	io.Reader
	claim uploadtoken.Claim
}

func (b waitingBody) Read(p []byte) (int, error) {
	b.claim.Waiting(true)
	defer b.claim.Waiting(false)
	return b.Reader.Read(p)
}

// ended notes where storage has left the upload, and releases the claim.
func (u *hold) ended(up storage.Upload, err error) {
	switch {
	case err == nil:
		u.reached, u.over = up, u.closing
	case u.reached.Before(up):
		u.reached = up
	}
	if storage.CodeOf(err) == storage.RangeInvalid && (u.newest.Before(up) || !u.newest.Whole()) {
		u.newest = up
	}
	u.release()
}

// release gives the claim back; the answer comes after that.
func (u *hold) release() {
	if u.released {
		return
	}
	u.released = true
	u.stop()
	reached := sealable(u.repository, u.reached, uploadtoken.MaxPoint)
	reached.Abandoned = u.unsure || !u.reached.Lasts(uploadtoken.MaxPoint)
	u.claim.Release(u.r.Context(), reached, u.over)
}

// refused adds to a 416 where the upload really stands. A request that lost its upload is told what has become of that.
func (u *hold) refused(err error) error {
	if u.superseded() {
		ctx := context.WithoutCancel(u.r.Context()) // net/http ends it when reading fails
		sealed, openErr := u.h.tokens.Open(ctx, string(u.repository.Name()), u.token)
		if openErr != nil {
			return tokenError(openErr)
		}
		if newest, resumeErr := resume(sealed); resumeErr == nil && u.newest.Before(newest) {
			u.newest = newest
		}
		if storage.CodeOf(err) != storage.RangeInvalid {
			err = &storage.Error{Code: storage.RangeInvalid, Message: "another request has gone on with this upload, go on from where the Range header says", Err: err}
		}
	}
	if storage.CodeOf(err) != storage.RangeInvalid {
		return err
	}
	if headErr := u.h.uploadHeaders(u.w, u.r, u.repository, u.newest); headErr != nil {
		return headErr
	}
	return err
}

func (u *hold) superseded() bool { return errors.Is(context.Cause(u.ctx), storage.ErrTakenOver) }
