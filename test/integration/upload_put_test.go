package integration_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestPut closes an upload (end-6), with a last body and without, under either algorithm, whatever algorithm the upload was begun with.
func TestPut(t *testing.T) {
	carried(t, func(r *registry) {
		for _, begun := range []string{"", "digest-algorithm=sha256", "digest-algorithm=sha512"} {
			for _, closed := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
				for _, split := range []int{0, 1, 70_000, 140_000} {
					name := fmt.Sprintf("%s closed with %s, %d bytes before", begun, closed, split)
					r.run(name, func(r *registry) {
						content := append([]byte(name), noise(140_000-len(name), 1)...)
						location, d := r.begin("a", begun), closed.FromBytes(content)
						if split > 0 {
							location = r.do("PATCH", location, body(content[:split])).want(http.StatusAccepted).location()
						}
						var last []option
						if split < len(content) {
							last = []option{body(content[split:]), contentRange(fmt.Sprintf("%d-%d", split, len(content)-1))}
						}
						a := r.do("PUT", closing(location, d), last...).want(http.StatusCreated)
						a.has("Location", "/v2/a/blobs/"+d.String()).has("Docker-Content-Digest", d.String()).has("Content-Length", "0")
						r.holds("a", d, content)

						// A client that lost the answer asks again.
						r.do("PUT", closing(location, d), last...).want(http.StatusCreated).has("Docker-Content-Digest", d.String())
						r.holds("a", d, content)
					})
				}
			}
		}
	})
}

// TestPutDigestInvalid leaves the upload as it stood.
func TestPutDigestInvalid(t *testing.T) {
	carried(t, func(r *registry) {
		for _, size := range []int{10, 200_000} {
			for _, split := range []int{0, size / 2, size} {
				r.run(fmt.Sprintf("%d of %d bytes before", split, size), func(r *registry) {
					repo := fmt.Sprintf("repo%d/%d", size, split)
					content := noise(size, uint64(size+split))
					location := r.begin(repo)
					if split > 0 {
						location = r.do("PATCH", location, body(content[:split])).want(http.StatusAccepted).location()
					}
					last := body(content[split:])
					wrong := sha256([]byte("something else"))
					r.untouched(func() {
						for _, bad := range []string{"", "?digest=", "?digest=sha256:0", "?digest=md5:d41d8cd98f00b204e9800998ecf8427e"} {
							r.do("PUT", location+bad, last).fails(http.StatusBadRequest, "DIGEST_INVALID")
						}
						items := r.do("PUT", closing(location, wrong), last).fails(http.StatusBadRequest, "DIGEST_INVALID")
						if items[0].Detail["given"] != wrong.String() || items[0].Detail["computed"] != sha256(content).String() {
							r.Errorf("detail %v", items[0].Detail)
						}
						r.lacksBlob(repo, wrong)
						r.lacksBlob(repo, sha256(content))
					})
					if split > 0 {
						r.do("GET", location).want(http.StatusNoContent).has("Range", fmt.Sprintf("0-%d", split-1))
					}
					r.do("PUT", closing(location, sha256(content)), last).want(http.StatusCreated)
					r.holds(repo, sha256(content), content)
				})
			}
		}
	})
}

// TestCloseWithWrongDigest closes an upload with a wrong body so long that checkpoints of it were written. The upload stands where it stood, and a client
// that does what it is told comes to its end.
func TestCloseWithWrongDigest(t *testing.T) {
	each(t, func(r *registry) {
		for _, stood := range []int{0, 17 * mib} {
			r.run(fmt.Sprintf("behind %d", stood), func(r *registry) {
				content := noise(stood+100*mib, uint64(stood))
				location := r.begin("a")
				if stood > 0 {
					location = r.do("PATCH", location, body(content[:stood])).want(http.StatusAccepted).location()
				}
				wrong := append([]byte("wrong"), content[stood+5:]...)
				r.do("PUT", closing(location, sha256(content)), body(wrong)).fails(http.StatusBadRequest, "DIGEST_INVALID")
				where := fmt.Sprintf("0-%d", max(stood-1, 0))
				r.do("GET", location).want(http.StatusNoContent).has("Range", where)
				a := r.do("PUT", closing(location, sha256(content)), body(content[stood:]))
				if a.status != http.StatusCreated { // there was a checkpoint, though S3 may not have come to it
					a.fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
					a.has("Range", where)
					r.do("PUT", closing(a.location(), sha256(content)), body(content[stood:])).want(http.StatusCreated)
				}
				r.holds("a", sha256(content), content)
			})
		}
	})
}

// TestPutKnown pushes what is there already, in the same repository and in another one: nothing is stored twice.
func TestPutKnown(t *testing.T) {
	carried(t, func(r *registry) {
		for _, content := range [][]byte{[]byte("small"), noise(200_000, 1)} {
			r.pushBlob("a", content)
			before := len(r.keys())
			r.pushBlob("a", content)
			r.do("PUT", closing(r.begin("a"), sha256(content)), body(content)).want(http.StatusCreated)
			r.do("PUT", closing(r.do("PATCH", r.begin("a"), body(content)).location(), sha256(content))).want(http.StatusCreated)
			if after := len(r.keys()); after != before {
				r.Errorf("%d keys, were %d", after, before)
			}
			r.pushBlob("b", content)
			if after := len(r.keys()); after != before+1 {
				r.Errorf("%d keys with the link of another repository, were %d", after, before)
			}
			r.holds("b", sha256(content), content)
		}
	})
}

// TestPutBothAlgorithms closes one upload twice. Each blob must stay whatever becomes of the other: bytes that two digests share are bytes that
// either may take along.
func TestPutBothAlgorithms(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(200_000, 1)
		r.pushBlob("known", content)
		location := r.do("PATCH", r.begin("a"), body(content)).want(http.StatusAccepted).location()
		r.do("PUT", closing(location, sha512(content))).want(http.StatusCreated)
		r.holds("a", sha512(content), content)
		r.do("PUT", closing(location, sha256(content))).want(http.StatusCreated)
		r.holds("a", sha512(content), content)
		r.holds("a", sha256(content), content)
	})
}
