package integration_test

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestNames takes every name that the grammar allows, up to its last byte, and finds each its own again.
func TestNames(t *testing.T) {
	each(t, func(r *registry) {
		for _, name := range []string{
			"a", "0", "a/b", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d/e/f/g", "a/0.1_2__3-4----5",
			"blobs", "manifests", "tags/list", "blobs/uploads", "v2", "v2/v2", "uploads/blobs/manifests/tags/list/referrers",
			strings.Repeat("a", 255), strings.Repeat("a/", 127) + "a", strings.Repeat("n/", 20) + strings.Repeat("long", 50),
		} {
			d := r.pushImage(name, "latest")
			r.tags(name, "", "latest")
			r.do("GET", "/v2/"+name+"/manifests/latest").want(http.StatusOK).has("Docker-Content-Digest", d.String())
			r.do("GET", "/v2/"+name+"/referrers/"+d.String()).want(http.StatusOK)
			r.do("GET", r.begin(name)).want(http.StatusNoContent)
			r.do("DELETE", "/v2/"+name+"/manifests/latest").want(http.StatusAccepted)
		}
	})
}

// badNames are sent as they stand.
var badNames = []string{
	"A", "a/B", "Library/nginx", "..", "a/..", "../a", "a/../b", ".", "./a", "a/./b", ".a", "a.", "a..b", "_a", "a_", "a___b", "-a", "a-", "a-.b", "a._b", "a_-b",
	"a//b", "/a", "a/", "a b", "a%20b", "%61", "a%2Fb", "a%2fb", "%2e%2e", "a/%2e%2e/b", "a%00b", "a%0Ab", "a%C3%A9", "a:b", "a@b", "a~b", "a+b", "a*", "a\\b", "a%5Cb",
	strings.Repeat("a", 256), strings.Repeat("a/", 128) + "a", strings.Repeat("a", 5000),
}

// TestBadNames refuses them on every route with NAME_INVALID, or does not know the path (where what is left of it is no route), and stores nothing.
func TestBadNames(t *testing.T) {
	each(t, func(r *registry) {
		image := r.newImage("good", "good")
		d := sha256(image).String()
		content := []byte("layer of good")
		r.untouched(func() {
			for _, name := range badNames {
				for _, c := range []struct{ method, path, body string }{
					{"GET", "/manifests/latest", ""}, {"HEAD", "/manifests/" + d, ""}, {"PUT", "/manifests/latest", string(image)}, {"DELETE", "/manifests/latest", ""},
					{"GET", "/blobs/" + d, ""}, {"DELETE", "/blobs/" + d, ""}, {"GET", "/tags/list", ""}, {"GET", "/referrers/" + d, ""},
					{"POST", "/blobs/uploads/", ""}, {"POST", "/blobs/uploads/?digest=" + sha256(content).String(), string(content)},
					{"POST", "/blobs/uploads/?from=good&mount=" + sha256(content).String(), ""},
					{"PATCH", "/blobs/uploads/token", "x"}, {"PUT", "/blobs/uploads/token?digest=" + d, "x"}, {"DELETE", "/blobs/uploads/token", ""},
				} {
					a := r.rawDo(c.method, "/v2/"+name+c.path, c.body)
					a.what = c.method + " " + name + c.path
					a.fails(http.StatusBadRequest, codesFor(c.method, "NAME_INVALID")...)
				}
			}
		})
	})
}

// rawDo sends a target as it stands, which no HTTP client does.
func (r *registry) rawDo(method, target, content string) *answer {
	r.Helper()
	a, err := r.try(method, "/", body(content), header("Content-Type", v1.MediaTypeImageManifest), func(req *http.Request) {
		req.URL.Path, req.URL.Opaque = "", "//"+req.URL.Host+strings.NewReplacer(" ", "%20").Replace(target)
		if path, query, found := strings.Cut(req.URL.Opaque, "?"); found {
			req.URL.Opaque, req.URL.RawQuery = path, query
		}
	})
	if err != nil {
		r.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

func TestTagNames(t *testing.T) {
	each(t, func(r *registry) {
		image := r.newImage("a", "a")
		for _, tag := range []string{"a", "_", "0", "A", "1.2.3-rc_4", "a.", "a-", "__--..", strings.Repeat("x", 128), "latest", "list", "uploads"} {
			r.put("a", tag, v1.MediaTypeImageManifest, image).want(http.StatusCreated)
			r.serves("a", tag, v1.MediaTypeImageManifest, sha256(image), image)
		}
		r.untouched(func() {
			for _, tag := range []string{"-a", ".a", "..", ".", "a%20b", "a%2Fb", "a+b", "a@b", "a%00", "%", "%zz", "a%C3%A9", strings.Repeat("x", 129), strings.Repeat("x", 9000)} {
				for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
					if strings.Contains(tag, "%z") || tag == "%" {
						a := r.raw(head(method, "/v2/a/manifests/"+tag, "Content-Length: 0"), nil)
						a.want(http.StatusBadRequest) // by net/http
						continue
					}
					a := r.rawDo(method, "/v2/a/manifests/"+tag, string(image))
					if method == "GET" || method == "HEAD" {
						a.fails(http.StatusNotFound, codesFor(method, "MANIFEST_UNKNOWN")...)
						continue
					}
					a.fails(http.StatusBadRequest, "TAG_INVALID")
				}
			}
		})
	})
}

// badDigests are malformed, of an algorithm that is not supported, or not in the one form that a digest has.
func badDigests() []string {
	d, long := sha256(nil).String(), sha512(nil).String()
	return []string{
		"sha256:", "sha256:" + strings.ToUpper(d[7:]), "SHA256:" + d[7:], d[:len(d)-1], d + "0", "sha256:" + strings.Repeat("g", 64), "sha256:" + long[7:],
		"sha512:" + d[7:], "sha512:" + strings.ToUpper(long[7:]), "sha384:" + strings.Repeat("a", 96), "md5:" + strings.Repeat("a", 32), "sha1:" + strings.Repeat("a", 40),
		"blake3:" + d[7:], ":" + d[7:], "sha256::" + d[7:], "sha256+b64:" + strings.Repeat("a", 44), "sha256:..%2F..%2F" + d[20:], d + "%00", d + "%20", "sha256%253A" + d[7:] + ":",
	}
}

func TestBadDigests(t *testing.T) {
	each(t, func(r *registry) {
		image := r.newImage("a", "a")
		for _, d := range badDigests() {
			r.untouched(func() {
				for _, path := range []string{"manifests/", "blobs/", "referrers/"} {
					for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
						if method == "PUT" && path != "manifests/" || path == "referrers/" && method != "GET" {
							continue
						}
						r.rawDo(method, "/v2/a/"+path+d, string(image)).fails(http.StatusBadRequest, codesFor(method, "DIGEST_INVALID")...)
					}
				}
				r.rawDo("POST", "/v2/a/blobs/uploads/?digest="+d, string(image)).fails(http.StatusBadRequest, "DIGEST_INVALID")
				r.rawDo("POST", "/v2/a/blobs/uploads/?from=a&mount="+d, "").fails(http.StatusBadRequest, "DIGEST_INVALID")
				r.rawDo("PUT", r.begin("a")+"?digest="+d, "").fails(http.StatusBadRequest, "DIGEST_INVALID")
			})
		}
	})
}
