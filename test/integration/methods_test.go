package integration_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// endpointMethods is what each endpoint is there for.
var endpointMethods = map[string][]string{
	"/v2/":                     {"GET", "HEAD"},
	"/v2":                      {"GET", "HEAD"},
	"/v2/_catalog":             {"GET"},
	"/v2/a/tags/list":          {"GET"},
	"/v2/a/manifests/latest":   {"GET", "HEAD", "PUT", "DELETE"},
	"/v2/a/blobs/{digest}":     {"GET", "HEAD", "DELETE"},
	"/v2/a/referrers/{digest}": {"GET"},
	"/v2/a/blobs/uploads/":     {"POST"},
	"/v2/a/blobs/uploads":      {"POST"},
	"/v2/a/blobs/uploads/x":    {"GET", "HEAD", "PATCH", "PUT", "DELETE"},
}

// TestMethods answers 405 with Allow to every other method, also to one that HTTP does not know, and touches nothing.
func TestMethods(t *testing.T) {
	each(t, func(r *registry) {
		digest := sha256(nil).String()
		for path, methods := range endpointMethods {
			path = strings.Replace(path, "{digest}", digest, 1)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW", "get"} {
				if slices.Contains(methods, method) {
					continue
				}
				r.run(method+" "+path, func(r *registry) {
					r.untouched(func() {
						a := r.do(method, path, body("{}"))
						a.fails(http.StatusMethodNotAllowed, codesFor(method, "UNSUPPORTED")...)
						a.allows(methods)
					})
				})
			}
			// A browser asks before it lets a page of another origin in; the answer to that is in the headers that were configured.
			r.run("OPTIONS "+path, func(r *registry) {
				node := r.beside(func(s *setup) { s.api.Headers = map[string][]string{"access-control-allow-origin": {"*"}} })
				node.do("OPTIONS", path).want(http.StatusOK).is(nil).has("Access-Control-Allow-Origin", "*").allows(methods)
			})
		}
	})
}

func (a *answer) allows(methods []string) {
	a.Helper()
	var got []string
	for _, line := range a.header.Values("Allow") {
		for method := range strings.SplitSeq(line, ",") {
			got = append(got, strings.TrimSpace(method))
		}
	}
	if !slices.Equal(got, methods) {
		a.Errorf("%s: Allow %q, want %q", a.what, got, methods)
	}
}

// TestNoEndpoint knows nothing of any other path.
func TestNoEndpoint(t *testing.T) {
	each(t, func(r *registry) {
		for _, path := range []string{
			"/", "/v1/", "/v1/_ping", "/v3/", "/v2x", "/v2/_other", "/v2/a", "/v2/a/", "/v2/a/tags", "/v2/a/tags/", "/v2/a/tags/list/", "/v2/a/manifests", "/v2/a/manifests/",
			"/v2/a/blobs", "/v2/a/blobs/", "/v2/manifests/latest", "/v2/tags/list", "/v2/blobs/uploads/", "/v2/_catalog/", "/V2/", "/v2/a/other/b", "/metrics", "/debug/pprof/",
		} {
			for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "BREW"} {
				r.untouched(func() { r.rawDo(method, path, "").fails(http.StatusNotFound, codesFor(method, "NAME_UNKNOWN")...) })
			}
		}
	})
}

// TestBase says what this is (end-1).
func TestBase(t *testing.T) {
	each(t, func(r *registry) {
		for _, path := range []string{"/v2/", "/v2"} {
			a := r.do("GET", path).want(http.StatusOK).is([]byte("{}")).has("Content-Type", "application/json")
			a.has("Docker-Distribution-Api-Version", "registry/2.0")
			r.do("HEAD", path).want(http.StatusOK).is(nil).has("Content-Length", "2")
		}
	})
}
