package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// startUpload mounts a blob, takes a whole one in one request, or begins an upload (OCI distribution spec, "Pushing blobs", "Mounting a blob from
// another repository").
func (h *handler) startUpload(w http.ResponseWriter, r *http.Request, route route) error {
	repository, query := h.registry.Repository(route.name), r.URL.Query()
	if query.Has("mount") {
		done, err := h.mount(w, r, repository, query.Get("mount"), query.Get("from"))
		if done || err != nil {
			return err
		}
	}
	algorithm := digest.SHA256
	if query.Has("digest-algorithm") {
		var err error
		if algorithm, err = reference.ParseAlgorithm(query.Get("digest-algorithm")); err != nil {
			return referenceError(err)
		}
	}
	if query.Has("digest") {
		return h.putWhole(w, r, repository, query.Get("digest"))
	}
	up, err := repository.NewUpload(algorithm)
	if err != nil {
		return err
	}
	if least := repository.LeastChunk(); least > 0 {
		w.Header().Set("OCI-Chunk-Min-Length", strconv.FormatInt(least, 10)) // a wish: shorter chunks are taken, and cost the store more
	}
	return h.proceed(w, r, repository, up, http.StatusAccepted)
}

// mount answers when the blob could be mounted. When it is not there, the client has to upload it.
func (h *handler) mount(w http.ResponseWriter, r *http.Request, repository *storage.Repository, mount, from string) (done bool, err error) {
	name, err := queryBlobName(mount)
	if err != nil {
		return false, err
	}
	var source reference.Name
	if from != "" {
		if source, err = reference.ParseName(from); err != nil {
			return false, referenceError(err)
		}
	}
	blob, err := name.mount(r.Context(), repository, source)
	if storage.CodeOf(err) == storage.BlobUnknown && err != nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	what := h.happening(r, ActionMount, KindBlob, repository)
	what.From, what.Digest, what.Size = source, blob.Digest, blob.Size
	h.opts.Events.Happened(what)
	return true, h.created(w, r, blobPath(repository, name), blob.Digest)
}

// putWhole stores a blob from one POST.
func (h *handler) putWhole(w http.ResponseWriter, r *http.Request, repository *storage.Repository, want string) error {
	name, err := queryBlobName(want)
	if err != nil {
		return err
	}
	if err := plainBody(r); err != nil {
		return err
	}
	up, err := repository.NewUpload(name.algorithm())
	if err != nil {
		return err
	}
	whole := storage.WholeBody(r.Body)
	whole.Once = true // nobody was given a token to come back with
	blob, _, err := name.commit(r.Context(), repository, up, whole)
	if err != nil {
		return err
	}
	return h.pushed(w, r, repository, name, blob)
}

// pushed answers for a blob that was pushed, whose place is under the name that the client gave.
func (h *handler) pushed(w http.ResponseWriter, r *http.Request, repository *storage.Repository, name blobName, blob storage.Descriptor) error {
	h.blobHappened(r, ActionPush, repository, blob)
	return h.created(w, r, blobPath(repository, name), blob.Digest)
}

// upload goes on with an upload that a token names.
func (h *handler) upload(w http.ResponseWriter, r *http.Request, route route) error {
	repository := h.registry.Repository(route.name)
	switch r.Method {
	case http.MethodPatch:
		return h.patchUpload(w, r, repository, route.token)
	case http.MethodPut:
		return h.closeUpload(w, r, repository, route.token)
	}
	sealed, err := h.tokens.Open(r.Context(), string(route.name), route.token)
	if err != nil {
		return tokenError(err)
	}
	up, err := resume(sealed)
	if err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		h.tokens.Cancel(r.Context(), sealed) // first, so that a request at the upload does not go on behind the checkpoint that says so
		if err := repository.CancelUpload(r.Context(), up); err != nil {
			return err
		}
		return empty(w, http.StatusNoContent)
	}
	if !sealed.Current {
		if up, err = repository.UploadStatus(r.Context(), up); err != nil {
			return err
		}
	}
	return h.proceed(w, r, repository, up, http.StatusNoContent)
}

func (h *handler) patchUpload(w http.ResponseWriter, r *http.Request, repository *storage.Repository, token string) error {
	held, err := h.hold(w, r, repository, token, false)
	if err != nil {
		return err
	}
	defer held.release()
	chunk, err := held.chunk(r)
	if err != nil {
		return held.refused(err)
	}
	if chunk.Body == nil {
		chunk.Body = http.NoBody
	}
	next, err := repository.Append(held.ctx, held.up, chunk)
	if held.ended(next, err); err != nil {
		return held.refused(err)
	}
	return h.proceed(w, r, repository, next, http.StatusAccepted)
}

func (h *handler) closeUpload(w http.ResponseWriter, r *http.Request, repository *storage.Repository, token string) error {
	held, err := h.hold(w, r, repository, token, true)
	if err != nil {
		return err
	}
	defer held.release()
	name, err := queryBlobName(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	chunk, err := held.chunk(r)
	if err != nil {
		return held.refused(err)
	}
	blob, next, err := name.commit(held.ctx, repository, held.up, chunk)
	if held.ended(next, err); err != nil {
		return held.refused(err)
	}
	return h.pushed(w, r, repository, name, blob)
}

// chunkOf reads what a request says of its body.
func chunkOf(r *http.Request) (storage.Chunk, error) {
	chunk := storage.WholeBody(nil)
	if err := plainBody(r); err != nil {
		return chunk, err
	}
	if r.Body != nil && r.ContentLength != 0 {
		chunk.Body = io.Reader(r.Body)
	}
	header := r.Header.Get("Content-Range")
	if header == "" || chunk.Body == nil { // no range is that of an empty chunk
		return chunk, nil
	}
	span, err := parseContentRange(header)
	if err != nil {
		return chunk, err
	}
	if r.ContentLength >= 0 && r.ContentLength != span.length() {
		return chunk, &storage.Error{Code: storage.SizeInvalid, Message: "Content-Range and Content-Length do not agree, send as many bytes as the range has"}
	}
	chunk.Start, chunk.Length = span.start, span.length()
	return chunk, nil
}

// proceed answers with where the upload stands and goes on.
func (h *handler) proceed(w http.ResponseWriter, r *http.Request, repository *storage.Repository, up storage.Upload, status int) error {
	if err := h.uploadHeaders(w, r, repository, up); err != nil {
		return err
	}
	return empty(w, status)
}

// uploadHeaders say where an upload stands. Of an empty one the protocol has no way to say so but 0-0.
func (h *handler) uploadHeaders(w http.ResponseWriter, r *http.Request, repository *storage.Repository, up storage.Upload) error {
	token, err := h.tokens.Issue(r.Context(), sealable(repository, up, uploadtoken.MaxState))
	if err != nil {
		return fmt.Errorf("make the token of upload %s: %w", up.ID, err)
	}
	header := w.Header()
	header.Set("Location", h.locate(r, "/v2/"+string(repository.Name())+"/blobs/uploads/"+token))
	header.Set("Range", "0-"+strconv.FormatInt(max(up.Offset-1, 0), 10))
	header.Set("Docker-Upload-UUID", up.ID)
	return nil
}

// sealable is what a token or a claim keeps of an upload, with a state of at most so many bytes.
func sealable(repository *storage.Repository, up storage.Upload, limit int) uploadtoken.Upload {
	return uploadtoken.Upload{
		Repository: string(repository.Name()), ID: up.ID, Seq: up.Seq, Offset: up.Offset,
		Started: up.Started, Expires: repository.Expires(up), State: up.State(limit),
	}
}

// resume is the inverse of sealable.
func resume(sealed uploadtoken.Upload) (storage.Upload, error) {
	return storage.ResumeUpload(sealed.ID, sealed.Seq, sealed.Started, sealed.Offset, sealed.State)
}

// tokenError tells the client of a token that does not open.
func tokenError(err error) error {
	if errors.Is(err, uploadtoken.ErrUnknown) {
		return &storage.Error{Code: storage.BlobUploadUnknown, Message: "this upload is not known here or is over, start it again with POST"}
	}
	return err
}

func blobPath(repository *storage.Repository, name blobName) string {
	return "/v2/" + string(repository.Name()) + "/blobs/" + name.String()
}
