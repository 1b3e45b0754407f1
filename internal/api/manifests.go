package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// getManifest serves a manifest as it was pushed, one of Docker schema 1 with all its signatures, whatever the Accept header says: a registry that converts breaks digests, and a GET of what exists
// must be a 200 (OCI distribution spec, "Pulling manifests").
func (h *handler) getManifest(w http.ResponseWriter, r *http.Request, route route) error {
	repository := h.registry.Repository(route.name)
	get := repository.Manifest
	if r.Method == http.MethodHead {
		get = repository.StatManifest
	}
	m, err := get(r.Context(), route.reference)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", m.MediaType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Docker-Content-Digest", m.Digest.String())
	header.Set("ETag", etag(m.Served.Digest))
	r.Header.Del("Range") // manifests are served whole
	if r.Method == http.MethodHead {
		err = serveContent(w, r, &sized{size: m.Served.Size})
	} else {
		err = serveContent(w, r, bytes.NewReader(m.Content))
	}
	if err == nil && exchangeOf(r.Context()).status == http.StatusOK {
		what := h.happening(r, ActionPull, KindManifest, repository)
		what.Tag, what.Digest, what.MediaType, what.Size = route.reference.Tag, m.Digest, m.MediaType, m.Size
		h.opts.Events.Happened(what)
	}
	return err
}

// maxTags is how many tags one push may set.
const maxTags = 64

// putManifest stores a manifest under a tag, or under its digest with any tags of the query (OCI distribution spec, "Pushing Manifests").
func (h *handler) putManifest(w http.ResponseWriter, r *http.Request, route route) error {
	push := storage.Push{Digest: route.reference.Digest, MediaType: r.Header.Get("Content-Type")}
	asked := r.URL.Query()["tag"]
	switch {
	case len(asked) > 0 && !route.reference.IsDigest():
		return &routeError{code: codeTagInvalid, message: "tag parameters go with a push by digest: name the manifest by its digest or leave them out"}
	case len(asked) > maxTags:
		return &routeError{code: codeURITooLong, message: "these are too many tags for one push: send at most 64 and push again with the rest"}
	case !route.reference.IsDigest():
		push.Tags = []reference.Tag{route.reference.Tag}
	}
	seen := map[reference.Tag]bool{}
	for _, s := range asked {
		tag, err := reference.ParseTag(s)
		if err != nil {
			return referenceError(err)
		}
		if !seen[tag] {
			push.Tags = append(push.Tags, tag)
		}
		seen[tag] = true
	}
	var err error
	if push.Content, err = h.readManifest(r); err != nil {
		return err
	}
	repository := h.registry.Repository(route.name)
	push.Note = h.notePush(r, repository, push.Tags)
	pushed, err := repository.PutManifest(r.Context(), push)
	if err != nil {
		return err
	}
	if pushed.Subject != "" {
		w.Header().Set("OCI-Subject", pushed.Subject.String())
	}
	for _, tag := range push.Tags {
		if route.reference.IsDigest() {
			w.Header().Add("OCI-Tag", string(tag))
		}
	}
	route.reference = reference.Reference{Digest: pushed.Digest}
	return h.created(w, r, route.String(), pushed.Digest)
}

// readManifest takes the body, unless it is too long.
func (h *handler) readManifest(r *http.Request) ([]byte, error) {
	if err := plainBody(r); err != nil {
		return nil, err
	}
	tooLarge := &storage.Error{
		Code: storage.TooLarge, Message: "the manifest is too large, make it smaller or ask the registry's operator to raise validation.manifests.maxsize",
		Detail: map[string]int64{"limit": h.opts.MaxManifest},
	}
	if r.ContentLength > h.opts.MaxManifest {
		return nil, tooLarge
	}
	var content bytes.Buffer
	if r.ContentLength > 0 {
		content.Grow(int(r.ContentLength) + bytes.MinRead) // ReadFrom wants that much room even to see the end
	}
	_, err := content.ReadFrom(io.LimitReader(r.Body, h.opts.MaxManifest+1))
	if errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("read the manifest: %w", err) // this node stops: the manifest may be good, another node will say
	}
	if err != nil {
		return nil, &storage.Error{Code: storage.ManifestInvalid, Message: "the manifest ended too early, push it again", Err: err}
	}
	if int64(content.Len()) > h.opts.MaxManifest {
		return nil, tooLarge
	}
	return content.Bytes(), nil
}

// deleteManifest takes away a tag, or a manifest with all its tags (OCI distribution spec, "Deleting tags", "Deleting Manifests").
func (h *handler) deleteManifest(w http.ResponseWriter, r *http.Request, route route) error {
	repository := h.registry.Repository(route.name)
	var err error
	if route.reference.IsDigest() {
		what := h.happening(r, ActionDelete, KindManifest, repository)
		what.Digest = route.reference.Digest
		err = repository.DeleteManifest(r.Context(), route.reference.Digest, h.opts.Events.Note(what))
	} else {
		what := h.happening(r, ActionDelete, KindTag, repository)
		what.Tag = route.reference.Tag
		err = repository.DeleteTag(r.Context(), route.reference.Tag, h.opts.Events.Note(what))
	}
	if err != nil {
		return err
	}
	return empty(w, http.StatusAccepted)
}
