package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

var (
	testDigest = digest.FromString("a")
	testSHA512 = digest.SHA512.FromString("a")
	byTag      = reference.Reference{Tag: "latest"}
	byDigest   = reference.Reference{Digest: testDigest}
	escaped    = strings.Replace(testDigest.String(), ":", "%3A", 1)
)

var goodRoutes = []struct {
	path string
	want route
}{
	{"/v2", route{kind: routeBase}},
	{"/v2/", route{kind: routeBase}},
	{"/v2/_catalog", route{kind: routeCatalog}},
	{"/v2/a/tags/list", route{kind: routeTags, name: "a"}},
	{"/v2/library/busybox/manifests/latest", route{kind: routeManifest, name: "library/busybox", reference: byTag}},
	{"/v2/a/manifests/" + testDigest.String(), route{kind: routeManifest, name: "a", reference: byDigest}},
	{"/v2/a/blobs/" + testDigest.String(), route{kind: routeBlob, name: "a", digest: testDigest}},
	{"/v2/a/blobs/" + testSHA512.String(), route{kind: routeBlob, name: "a", digest: testSHA512}},
	{"/v2/a/blobs/uploads/", route{kind: routeUploads, name: "a"}},
	{"/v2/a/blobs/uploads", route{kind: routeUploads, name: "a"}},
	{"/v2/a/blobs/uploads/x-Y_0.z", route{kind: routeUpload, name: "a", token: "x-Y_0.z"}},
	{"/v2/a/referrers/" + testDigest.String(), route{kind: routeReferrers, name: "a", digest: testDigest}},

	// escaped
	{"/v2/a/manifests/" + escaped, route{kind: routeManifest, name: "a", reference: byDigest}},
	{"/v2/a/manifests/l%61test", route{kind: routeManifest, name: "a", reference: byTag}},
	{"/v2/a/blobs/" + strings.ToLower(escaped), route{kind: routeBlob, name: "a", digest: testDigest}},
	{"/v2/a/referrers/" + escaped, route{kind: routeReferrers, name: "a", digest: testDigest}},
	{"/v2/a/blobs/uploads/x%2Ey", route{kind: routeUpload, name: "a", token: "x.y"}},

	// names that hold words of the API
	{"/v2/blobs/blobs/" + testDigest.String(), route{kind: routeBlob, name: "blobs", digest: testDigest}},
	{"/v2/blobs/uploads/blobs/uploads/", route{kind: routeUploads, name: "blobs/uploads"}},
	{"/v2/blobs/uploads/blobs/uploads/x", route{kind: routeUpload, name: "blobs/uploads", token: "x"}},
	{"/v2/blobs/uploads/blobs/uploads", route{kind: routeUploads, name: "blobs/uploads"}},
	{"/v2/a/blobs/uploads/tags/list", route{kind: routeTags, name: "a/blobs/uploads"}},
	{"/v2/a/blobs/uploads/manifests/latest", route{kind: routeManifest, name: "a/blobs/uploads", reference: byTag}},
	{"/v2/a/blobs/manifests/blobs/uploads/", route{kind: routeUploads, name: "a/blobs/manifests"}},
	{"/v2/a/manifests/blobs/uploads", route{kind: routeUploads, name: "a/manifests"}},
	{"/v2/a/manifests/tags/list", route{kind: routeTags, name: "a/manifests"}},
	{"/v2/a/tags/manifests/list", route{kind: routeManifest, name: "a/tags", reference: reference.Reference{Tag: "list"}}},
	{"/v2/tags/list/tags/list", route{kind: routeTags, name: "tags/list"}},
	{"/v2/a/blobs/uploads/uploads", route{kind: routeUpload, name: "a", token: "uploads"}},
	{"/v2/a/blobs/uploads/list", route{kind: routeUpload, name: "a", token: "list"}},
	{"/v2/a/blobs/manifests/uploads", route{kind: routeManifest, name: "a/blobs", reference: reference.Reference{Tag: "uploads"}}},
	{"/v2/a/manifests/manifests/manifests", route{kind: routeManifest, name: "a/manifests", reference: reference.Reference{Tag: "manifests"}}},
	{"/v2/referrers/referrers/" + testDigest.String(), route{kind: routeReferrers, name: "referrers", digest: testDigest}},
	{"/v2/v2/manifests/latest", route{kind: routeManifest, name: "v2", reference: byTag}},
}

func TestParseRoute(t *testing.T) {
	t.Parallel()
	for _, tc := range goodRoutes {
		t.Run(tc.path, func(t *testing.T) {
			t.Parallel()
			for _, method := range tc.want.kind.allowed() {
				got, err := parseRoute(method, tc.path)
				if err != nil || got != tc.want {
					t.Errorf("%s: %+v, %v; want %+v", method, got, err, tc.want)
				}
				checkRoute(t, method, tc.path)
			}
		})
	}
}

var badRoutes = []struct {
	path string
	kind routeKind
	code string
}{
	{"", routeUnknown, codeNameUnknown},
	{"/", routeUnknown, codeNameUnknown},
	{"/v1/", routeUnknown, codeNameUnknown},
	{"/v2x", routeUnknown, codeNameUnknown},
	{"/v2_catalog", routeUnknown, codeNameUnknown},
	{"/v2//", routeUnknown, codeNameUnknown},
	{"/v2/a", routeUnknown, codeNameUnknown},
	{"/v2/a/", routeUnknown, codeNameUnknown},
	{"/v2/_catalog/", routeUnknown, codeNameUnknown},
	{"/v2/a/_catalog", routeUnknown, codeNameUnknown},
	{"/v2/a/tags", routeUnknown, codeNameUnknown},
	{"/v2/a/tags/", routeUnknown, codeNameUnknown},
	{"/v2/a/tags/list/", routeUnknown, codeNameUnknown},
	{"/v2/a/tags/latest", routeUnknown, codeNameUnknown},
	{"/v2/a/manifests", routeUnknown, codeNameUnknown},
	{"/v2/a/manifests/", routeUnknown, codeNameUnknown},
	{"/v2/a/manifests/latest/", routeUnknown, codeNameUnknown},
	{"/v2/a/blobs/", routeUnknown, codeNameUnknown},
	{"/v2/a/blobs/uploads/x/", routeUnknown, codeNameUnknown},
	{"/v2/a/blobs/uploads//", routeUnknown, codeNameUnknown},
	{"/v2/a/referrers/", routeUnknown, codeNameUnknown},
	{"/v2/tags/list", routeUnknown, codeNameUnknown},
	{"/v2/manifests/latest", routeUnknown, codeNameUnknown},
	{"/v2/blobs/uploads/", routeUnknown, codeNameUnknown},
	{"/v2/blobs/uploads/x", routeUnknown, codeNameUnknown},
	{"/v2/a/%6Danifests/latest", routeUnknown, codeNameUnknown},
	{"/v2/a/manifests%2Flatest", routeUnknown, codeNameUnknown},

	{"/v2//manifests/latest", routeManifest, codeNameInvalid},
	{"/v2//a/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/a//manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/a//b/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/a/../b/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/../manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/./manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/A/tags/list", routeTags, codeNameInvalid},
	{"/v2/a%2Fb/tags/list", routeTags, codeNameInvalid},
	{"/v2/%61/tags/list", routeTags, codeNameInvalid},
	{"/v2/_catalog/tags/list", routeTags, codeNameInvalid},
	{"/v2/a%00/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/a b/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/a:1/manifests/latest", routeManifest, codeNameInvalid},
	{"/v2/A/manifests/-", routeManifest, codeNameInvalid},
	{"/v2/" + strings.Repeat("a", 256) + "/manifests/latest", routeManifest, codeNameInvalid},

	{"/v2/a/manifests/-", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/..", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/b%2Fc", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/%", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/%6", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/%2561", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/" + strings.Repeat("a", 129), routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/sha256:baddigeststring", routeManifest, codeDigestInvalid},
	{"/v2/a/manifests/sha256%253Aabc", routeManifest, codeManifestUnknown},
	{"/v2/a/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", routeManifest, codeDigestInvalid},
	{"/v2/a/blobs/latest", routeBlob, codeDigestInvalid},
	{"/v2/a/blobs/%zz", routeBlob, codeDigestInvalid},
	{"/v2/a/blobs/" + strings.ToUpper(testDigest.String()), routeBlob, codeDigestInvalid},
	{"/v2/a/referrers/latest", routeReferrers, codeDigestInvalid},
	{"/v2/a/blobs/uploads/b%2Fc", routeUpload, codeBlobUploadUnknown},
	{"/v2/a/blobs/uploads/%", routeUpload, codeBlobUploadUnknown},
	{"/v2/a/blobs/uploads/a=", routeUpload, codeBlobUploadUnknown},
	{"/v2/a/blobs/uploads/" + strings.Repeat("a", maxUploadToken+1), routeUpload, codeBlobUploadUnknown},
}

func TestParseRouteRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range badRoutes {
		t.Run(tc.path, func(t *testing.T) {
			t.Parallel()
			r, err := parseRoute(http.MethodGet, tc.path)
			var refused *routeError
			if !errors.As(err, &refused) {
				t.Fatalf("%+v, %v", r, err)
			}
			if r.kind != tc.kind || refused.code != tc.code || refused.allow != nil {
				t.Errorf("%s, %+v; want %s, %s", r.kind, refused, tc.kind, tc.code)
			}
			checkRoute(t, http.MethodGet, tc.path)
		})
	}
}

// A tag that cannot be is not there for who reads, and wrong for who writes.
func TestMalformedTag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, tag, code string }{
		{http.MethodGet, ".INVALID_MANIFEST_NAME", codeManifestUnknown},
		{http.MethodHead, ".INVALID_MANIFEST_NAME", codeManifestUnknown},
		{http.MethodPut, ".INVALID_MANIFEST_NAME", codeTagInvalid},
		{http.MethodDelete, ".INVALID_MANIFEST_NAME", codeTagInvalid},
		{http.MethodGet, "sha256:short", codeDigestInvalid},
		{http.MethodPut, "sha256:short", codeDigestInvalid},
	} {
		_, err := parseRoute(c.method, "/v2/a/manifests/"+c.tag)
		_, cause := reference.ParseReference(c.tag)
		var refused *routeError
		if !errors.As(err, &refused) || refused.code != c.code || refused.message != cause.Error() {
			t.Errorf("%s %s: %+v; want %s, %v", c.method, c.tag, err, c.code, cause)
		}
	}
}

func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	methods := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace,
		http.MethodConnect, "get", "",
	}
	for _, tc := range goodRoutes {
		for _, method := range methods {
			allow := tc.want.kind.allowed()
			if slices.Contains(allow, method) {
				continue
			}
			r, err := parseRoute(method, tc.path)
			var refused *routeError
			if !errors.As(err, &refused) || refused.code != codeUnsupported || !slices.Equal(refused.allow, allow) || r.kind != tc.want.kind {
				t.Errorf("%s %s: %s, %+v", method, tc.path, r.kind, err)
			}
		}
	}
}

// The labels are part of the metrics: dashboards are built on them.
func TestRouteLabels(t *testing.T) {
	t.Parallel()
	want := []string{"unknown", "base", "catalog", "tags", "manifest", "blob", "uploads", "upload", "referrers"}
	for k, label := range want {
		if got := routeKind(k).String(); got != label {
			t.Errorf("kind %d is called %s, want %s", k, got, label)
		}
	}
	if len(endpoints) != len(want) {
		t.Errorf("there are %d kinds, want %d", len(endpoints), len(want))
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, tc := range goodRoutes {
		for _, method := range tc.want.kind.allowed() {
			f.Add(method, tc.path)
		}
	}
	for _, tc := range badRoutes {
		f.Add(http.MethodGet, tc.path)
	}
	f.Fuzz(checkRoute)
}

// checkRoute holds an answer of parseRoute against what must be true of any.
func checkRoute(t *testing.T, method, path string) {
	t.Helper()
	r, err := parseRoute(method, path)
	if err != nil {
		var refused *routeError
		if !errors.As(err, &refused) || refused.code == "" || refused.message == "" {
			t.Fatalf("%s %s: error %+v", method, path, err)
		}
		return
	}
	if again, err := parseRoute(method, r.String()); err != nil || again != r {
		t.Fatalf("%s %s is %+v, whose path %s is %+v, %v", method, path, r, r, again, err)
	}
	if u, err := url.Parse(r.String()); err != nil || u.EscapedPath() != r.String() || u.Path != r.String() {
		t.Fatalf("the path %s needs escaping", r)
	}
	if strings.Contains(string(r.name), "%") || !strings.HasPrefix(path, "/v2") {
		t.Fatalf("%s %s is %+v", method, path, r)
	}
	if r.name != "" && !strings.HasPrefix(path, "/v2/"+string(r.name)+"/") {
		t.Fatalf("%s does not name %s", path, r.name)
	}
	if !slices.Contains(r.kind.allowed(), method) {
		t.Fatalf("%s has no method %q", r.kind, method)
	}
}
