package integration_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestBlobGet pulls blobs (end-2): those that their pointer holds and those that have an object of their own, under both algorithms.
func TestBlobGet(t *testing.T) {
	each(t, func(r *registry) {
		for name, content := range map[string][]byte{"empty": nil, "small": []byte("small"), "large": noise(300_000, 1)} {
			for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
				r.run(name+" "+algorithm.String(), func(r *registry) {
					d := algorithm.FromBytes(content)
					r.do("POST", "/v2/a/blobs/uploads/?digest="+d.String(), body(content)).want(http.StatusCreated)
					target := "/v2/a/blobs/" + d.String()
					for _, escaped := range []string{target, strings.Replace(target, ":", "%3A", 1), strings.Replace(target, ":", "%3a", 1)} {
						get, stat := r.do("GET", escaped).want(http.StatusOK).is(content), r.do("HEAD", escaped).want(http.StatusOK).is(nil)
						for _, a := range []*answer{get, stat} {
							a.has("Docker-Content-Digest", d.String()).has("ETag", `"`+d.String()+`"`).has("Accept-Ranges", "bytes")
							a.has("Content-Type", "application/octet-stream").has("X-Content-Type-Options", "nosniff")
							if a.length != int64(len(content)) {
								r.Errorf("%s: Content-Length %d, want %d", a.what, a.length, len(content))
							}
						}
					}
				})
			}
		}
	})
}

// TestBlobOfOthers: that a blob is in the registry does not make it one of each repository.
func TestBlobOfOthers(t *testing.T) {
	each(t, func(r *registry) {
		for _, content := range [][]byte{[]byte("small"), noise(100_000, 1)} {
			d := r.pushBlob("theirs", content)
			r.holds("theirs", d, content)
			r.lacksBlob("mine", d)
			r.lacksBlob("theirs/too", d)
			r.do("DELETE", "/v2/mine/blobs/"+d.String()).fails(http.StatusNotFound, "BLOB_UNKNOWN")
			r.holds("theirs", d, content)
		}
	})
}

// TestBlobConditions are those of RFC 9110, section 13.
func TestBlobConditions(t *testing.T) {
	each(t, func(r *registry) {
		content := []byte("0123456789")
		d := r.pushBlob("a", content)
		own, other := `"`+d.String()+`"`, `"`+sha256(nil).String()+`"`
		for _, c := range []struct {
			name    string
			options []option
			status  int
			body    string
		}{
			{"If-None-Match its own", []option{header("If-None-Match", own)}, 304, ""},
			{"If-None-Match a list", []option{header("If-None-Match", other+", "+own)}, 304, ""},
			{"If-None-Match weakly", []option{header("If-None-Match", "W/"+own)}, 304, ""},
			{"If-None-Match any", []option{header("If-None-Match", "*")}, 304, ""},
			{"If-None-Match another", []option{header("If-None-Match", other)}, 200, "0123456789"},
			{"If-Match its own", []option{header("If-Match", own)}, 200, "0123456789"},
			{"If-Match another", []option{header("If-Match", other)}, 412, ""},
			{"If-Range its own", []option{header("Range", "bytes=2-4"), header("If-Range", own)}, 206, "234"},
			{"If-Range another", []option{header("Range", "bytes=2-4"), header("If-Range", other)}, 200, "0123456789"},
			{"If-Range weakly", []option{header("Range", "bytes=2-4"), header("If-Range", "W/"+own)}, 200, "0123456789"},
			{"If-None-Match before a range", []option{header("Range", "bytes=2-4"), header("If-None-Match", own)}, 304, ""},
			{"If-None-Match before a bad range", []option{header("Range", "bytes=20-40"), header("If-None-Match", own)}, 304, ""},
		} {
			r.run(c.name, func(r *registry) {
				a := r.do("GET", "/v2/a/blobs/"+d.String(), c.options...).want(c.status)
				if c.status == http.StatusPreconditionFailed {
					a.lacks("ETag").fails(c.status, "DIGEST_INVALID")
				} else {
					a.is([]byte(c.body))
				}
				if c.status == http.StatusNotModified {
					a.has("ETag", own).lacks("Content-Type")
				}
				if c.status != http.StatusPartialContent {
					r.do("HEAD", "/v2/a/blobs/"+d.String(), c.options...).want(c.status).is(nil)
				}
			})
		}
		r.do("GET", "/v2/a/blobs/"+sha256(nil).String(), header("If-None-Match", "*")).fails(http.StatusNotFound, "BLOB_UNKNOWN")
	})
}

// TestBlobDelete takes a blob out of one repository, at once and no other (end-10).
func TestBlobDelete(t *testing.T) {
	each(t, func(r *registry) {
		for _, content := range [][]byte{nil, []byte("small"), noise(100_000, 1)} {
			d := r.pushBlob("a", content)
			r.pushBlob("b", content)
			for range 2 {
				r.do("DELETE", "/v2/a/blobs/"+d.String()).want(http.StatusAccepted)
				r.lacksBlob("a", d)
				r.beside().lacksBlob("a", d)
				r.untouched(func() { r.do("DELETE", "/v2/a/blobs/"+d.String()).fails(http.StatusNotFound, "BLOB_UNKNOWN") })
				r.holds("b", d, content)
				r.pushBlob("a", content)
				r.holds("a", d, content)
			}
		}
	})
}
