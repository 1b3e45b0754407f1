package api

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// getBlob serves a blob, or ranges of it (OCI distribution spec, "Pulling blobs"; RFC 9110, section 14).
func (h *handler) getBlob(w http.ResponseWriter, r *http.Request, route route) error {
	repository := h.registry.Repository(route.name)
	var content io.ReadSeeker
	var found storage.Descriptor
	if r.Method == http.MethodHead {
		blob, err := repository.StatBlob(r.Context(), route.digest)
		if err != nil {
			return err
		}
		content, found = &sized{size: blob.Size}, blob
		r.Header.Del("Range") // it has a meaning for GET only
	} else {
		blob, err := repository.OpenBlob(r.Context(), route.digest)
		if err != nil {
			return err
		}
		defer blob.Close()
		found = blob.Descriptor
		if done, err := h.redirect(w, r, blob); done || err != nil {
			if err == nil {
				h.blobHappened(r, ActionPull, repository, found)
			}
			return err
		}
		if end, ok := rangeEnd(r.Header.Get("Range")); ok {
			blob.Bound(end)
		}
		content = blob
		if !meantRange(r.Header.Get("Range")) {
			r.Header.Del("Range")
		}
		if blob.Size == 0 {
			r.Header.Del("Range") // net/http would answer `bytes=-1` with the range 0--1; a server may always give the whole
		}
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Docker-Content-Digest", route.digest.String())
	header.Set("ETag", etag(route.digest))
	if err := serveContent(w, r, content); err != nil {
		return err
	}
	if exchangeOf(r.Context()).status == http.StatusOK {
		h.blobHappened(r, ActionPull, repository, found)
	}
	return nil
}

// redirect sends the client to the store for the bytes, where that is switched on and the store can. A client that may have them already is answered here.
func (h *handler) redirect(w http.ResponseWriter, r *http.Request, blob *storage.Blob) (done bool, err error) {
	if !h.opts.Redirect || r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "" {
		return false, nil
	}
	url, err := blob.RedirectURL(r.Context())
	if err != nil || url == "" {
		return false, err
	}
	header := w.Header()
	header.Set("Location", url)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Docker-Content-Digest", blob.Digest.String())
	header.Set("Cache-Control", "no-store") // the URL is good for a short while only
	return true, empty(w, http.StatusTemporaryRedirect)
}

// maxRanges is how many ranges of one blob a client may ask for at once: each costs the store a request of its own.
const maxRanges = 32

// meantRange says whether a Range header is to be acted upon. One of a unit that is not known must be ignored, and any other may be (RFC 9110,
// section 14.2).
func meantRange(header string) bool {
	unit, set, found := strings.Cut(header, "=")
	return !found || unit == "bytes" && strings.Count(set, ",") < maxRanges
}

// rangeEnd is where a single range ends, so that the store is asked for no more. Whatever else a Range header may hold is left to http.ServeContent.
func rangeEnd(header string) (end int64, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	_, last, dash := strings.Cut(spec, "-")
	if !found || !dash {
		return 0, false
	}
	n, ok := digits(last)
	return n + 1, ok && !strings.HasPrefix(spec, "-") && n < math.MaxInt64
}

// deleteBlob takes a blob out of a repository (OCI distribution spec, "Deleting Blobs").
func (h *handler) deleteBlob(w http.ResponseWriter, r *http.Request, route route) error {
	repository := h.registry.Repository(route.name)
	if err := repository.DeleteBlob(r.Context(), route.digest); err != nil {
		return err
	}
	h.blobHappened(r, ActionDelete, repository, storage.Descriptor{Digest: route.digest})
	return empty(w, http.StatusAccepted)
}

// serveContent leaves ranges and conditions to http.ServeContent, and tells failures as errors: also one of the store that shows at the first byte,
// for which the status is held back until there is one.
func serveContent(w http.ResponseWriter, r *http.Request, content io.ReadSeeker) error {
	late := &lateWriter{ResponseWriter: w}
	source := &watched{ReadSeeker: content}
	http.ServeContent(late, r, "", time.Time{}, source)
	switch {
	case late.status == http.StatusRequestedRangeNotSatisfiable:
		for _, name := range []string{"ETag", "Docker-Content-Digest"} {
			w.Header().Del(name)
		}
		return &storage.Error{Code: storage.RangeInvalid, Message: "the blob has no such range, ask for one within its size"}
	case late.status == http.StatusPreconditionFailed:
		for _, name := range []string{"ETag", "Docker-Content-Digest"} {
			w.Header().Del(name)
		}
		return &routeError{code: codePreconditionFailed, message: "the content has another digest than If-Match asks for: ask for it by that digest or leave the header out"}
	case source.err != nil:
		if !late.sent {
			for _, name := range []string{"ETag", "Docker-Content-Digest", "Content-Length", "Content-Range", "Accept-Ranges"} {
				w.Header().Del(name)
			}
		}
		return source.err
	case late.err != nil:
		return fmt.Errorf("send the content: %w", late.err)
	}
	late.send()
	return nil
}

// lateWriter sends the status with the first byte of the body, and nothing of a 416. It remembers why the client could not be sent more, which
// http.ServeContent does not tell.
type lateWriter struct {
	http.ResponseWriter
	status int
	sent   bool
	err    error
}

func (w *lateWriter) WriteHeader(status int) { w.status = status }

func (w *lateWriter) Write(p []byte) (int, error) {
	if w.status == http.StatusRequestedRangeNotSatisfiable {
		return len(p), nil
	}
	w.send()
	n, err := w.ResponseWriter.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

func (w *lateWriter) send() {
	if !w.sent && w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
	}
	w.sent = true
}

// watched remembers why its content could not be read.
type watched struct {
	io.ReadSeeker
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// sized is content of which only the size matters.
type sized struct {
	size, off int64
}

func (s *sized) Read([]byte) (int, error) { return 0, errors.New("a HEAD has no body") }

func (s *sized) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.off
	case io.SeekEnd:
		offset += s.size
	}
	s.off = offset
	return offset, nil
}
