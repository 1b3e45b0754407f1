package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

// routeKind is an endpoint of the protocol.
type routeKind int

const (
	routeUnknown routeKind = iota
	routeBase
	routeCatalog
	routeTags
	routeManifest
	routeBlob
	routeUploads
	routeUpload
	routeReferrers
)

// endpoints says how each kind is called in metrics and logs, and which methods it has (OCI distribution spec, "Endpoints").
var endpoints = [...]struct {
	label string
	allow []string
}{
	routeUnknown:   {"unknown", nil},
	routeBase:      {"base", []string{http.MethodGet, http.MethodHead}},
	routeCatalog:   {"catalog", []string{http.MethodGet}},
	routeTags:      {"tags", []string{http.MethodGet}},
	routeManifest:  {"manifest", []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}},
	routeBlob:      {"blob", []string{http.MethodGet, http.MethodHead, http.MethodDelete}},
	routeUploads:   {"uploads", []string{http.MethodPost}},
	routeUpload:    {"upload", []string{http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPut, http.MethodDelete}},
	routeReferrers: {"referrers", []string{http.MethodGet}},
}

// String gives the label that metrics and logs have for k.
func (k routeKind) String() string { return endpoints[k].label }

// allowed gives the methods that k has. The caller must not change it.
func (k routeKind) allowed() []string { return endpoints[k].allow }

// route is what a request is about. Which fields are set depends on the kind.
type route struct {
	kind      routeKind
	name      reference.Name      // all but base and catalog
	reference reference.Reference // manifest
	digest    digest.Digest       // blob by its digest, referrers
	tarSum    reference.TarSum    // blob by its TarSum
	token     string              // upload
}

// String gives the path of r in its usual form.
func (r route) String() string {
	switch r.kind {
	case routeCatalog:
		return "/v2/_catalog"
	case routeTags:
		return "/v2/" + string(r.name) + "/tags/list"
	case routeManifest:
		return "/v2/" + string(r.name) + "/manifests/" + r.reference.String()
	case routeBlob:
		return "/v2/" + string(r.name) + "/blobs/" + blobName{r.digest, r.tarSum}.String()
	case routeUploads:
		return "/v2/" + string(r.name) + "/blobs/uploads/"
	case routeUpload:
		return "/v2/" + string(r.name) + "/blobs/uploads/" + r.token
	case routeReferrers:
		return "/v2/" + string(r.name) + "/referrers/" + r.digest.String()
	}
	return "/v2/"
}

// maxUploadToken is longer than any token, in bytes. What one looks like is otherwise the business of its provider.
const maxUploadToken = 2048

// parseRoute finds out what a request is about, by its method and its path as it was sent (url.URL.EscapedPath). Errors are of type *routeError.
// The route has its kind, for the metrics, even when there is an error; nothing else in it may be used then.
//
// A name may hold the words of the API as its components (blobs, uploads, manifests, ...), so a path is read from its end. Clients that build
// URLs with a generic library may have escaped the last part (sha256%3A...), so it is unescaped, once. In a name, nothing needs escaping.
func parseRoute(method, escapedPath string) (route, error) {
	kind, name, last := splitPath(escapedPath)
	r := route{kind: kind}
	if kind == routeUnknown {
		return r, &routeError{code: codeNameUnknown, message: "this path is not part of the registry's API: check the repository name and the endpoint"}
	}
	if !slices.Contains(kind.allowed(), method) {
		return r, methodNotAllowed(kind)
	}
	if kind == routeBase || kind == routeCatalog {
		return r, nil
	}
	var err error
	if r.name, err = reference.ParseName(name); err != nil {
		return r, referenceError(err)
	}
	if last, err = url.PathUnescape(last); err != nil {
		last = "%" // as bad as any other
	}
	switch kind {
	case routeManifest:
		r.reference, err = reference.ParseReference(last)
	case routeBlob:
		var blob blobName
		blob, err = parseBlobName(last)
		r.digest, r.tarSum = blob.digest, blob.tarSum
	case routeReferrers:
		r.digest, err = reference.ParseDigest(last)
	case routeUpload:
		r.token, err = parseUploadToken(last)
	}
	if errors.Is(err, reference.ErrTag) && isRead(method) {
		// What cannot be pushed is not there: the OCI conformance tests (v1.1) read such a tag and expect a 404.
		return r, &routeError{code: codeManifestUnknown, message: err.Error()}
	}
	if err != nil {
		return r, referenceError(err)
	}
	return r, nil
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// splitPath recognises an endpoint and cuts out its name and its last part, which are not checked yet.
func splitPath(path string) (kind routeKind, name, last string) {
	rest, ok := strings.CutPrefix(path, "/v2")
	switch {
	case !ok:
		return routeUnknown, "", ""
	case rest == "" || rest == "/":
		return routeBase, "", ""
	case rest == "/_catalog":
		return routeCatalog, "", ""
	case rest[0] != '/':
		return routeUnknown, "", ""
	}
	for _, end := range []struct {
		kind   routeKind
		suffix string
	}{
		{routeTags, "/tags/list"}, {routeUploads, "/blobs/uploads/"}, {routeUploads, "/blobs/uploads"},
	} {
		if before, ok := strings.CutSuffix(rest, end.suffix); ok {
			return named(end.kind, before, "")
		}
	}
	slash := strings.LastIndexByte(rest, '/')
	rest, last = rest[:slash], rest[slash+1:]
	for _, end := range []struct {
		kind   routeKind
		suffix string
	}{
		{routeUpload, "/blobs/uploads"}, {routeManifest, "/manifests"}, {routeBlob, "/blobs"}, {routeReferrers, "/referrers"},
	} {
		if before, ok := strings.CutSuffix(rest, end.suffix); ok && last != "" {
			return named(end.kind, before, last)
		}
	}
	return routeUnknown, "", ""
}

// named gives what comes before an endpoint's own words as its name. Without one, it is not that endpoint.
func named(kind routeKind, before, last string) (routeKind, string, string) {
	if before == "" {
		return routeUnknown, "", ""
	}
	return kind, before[1:], last
}

// parseUploadToken lets through what may be a token of some provider.
func parseUploadToken(s string) (string, error) {
	ok := s != "" && len(s) <= maxUploadToken
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if !ok {
		return "", &routeError{code: codeBlobUploadUnknown, message: "there is no such upload: begin a new one"}
	}
	return s, nil
}

func methodNotAllowed(kind routeKind) error {
	allow := kind.allowed()
	return &routeError{
		code: codeUnsupported, message: fmt.Sprintf("this endpoint does not have that method: use %s", strings.Join(allow, ", ")), allow: allow,
	}
}
