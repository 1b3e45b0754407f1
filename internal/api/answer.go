package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// writeJSON answers 200 with a document.
func writeJSON(w http.ResponseWriter, mediaType string, document any) error {
	content, err := json.Marshal(document)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(content)
	return err
}

// created answers 201 with the place of what was stored.
func (h *handler) created(w http.ResponseWriter, r *http.Request, path string, d digest.Digest) error {
	w.Header().Set("Location", h.locate(r, path))
	w.Header().Set("Docker-Content-Digest", d.String())
	return empty(w, http.StatusCreated)
}

func empty(w http.ResponseWriter, status int) error {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(status)
	return nil
}

// locate makes a Location of a path. A relative one is right behind any proxy.
func (h *handler) locate(r *http.Request, path string) string {
	if h.opts.Host == "" && !h.opts.AbsoluteURL {
		return path
	}
	return h.reached(r) + path
}

// reached is the URL by which the client reached the registry.
func (h *handler) reached(r *http.Request) string {
	if h.opts.Host != "" {
		return strings.TrimSuffix(h.opts.Host, "/")
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if proto := firstOf(r.Header.Get("X-Forwarded-Proto")); proto == "http" || proto == "https" {
		scheme = proto
	}
	if forwarded := firstOf(r.Header.Get("X-Forwarded-Host")); forwarded != "" {
		host = forwarded
	}
	return scheme + "://" + host
}

func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// linkNext points to the page that follows (RFC 8288).
func (h *handler) linkNext(w http.ResponseWriter, r *http.Request, path string, query url.Values) {
	w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, h.locate(r, path), query.Encode()))
}

// plainBody refuses a body that is not what it will be stored as.
func plainBody(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &routeError{code: codeUnsupportedMedia, message: "a Content-Encoding is not taken here: send the content as it is to be stored"}
	}
	return nil
}

// etag is strong: it is the digest of the very bytes.
func etag(d digest.Digest) string { return `"` + d.String() + `"` }
