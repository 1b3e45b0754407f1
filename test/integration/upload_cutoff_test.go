package integration_test

import (
	"fmt"
	"net/http"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestPatchCutOff loses its client in the middle of a chunk. What came is kept, and any Location of the upload leads to it.
func TestPatchCutOff(t *testing.T) {
	carried(t, func(r *registry) {
		for _, size := range []int{100, 300_000} {
			for _, framing := range []string{"length", "chunked"} {
				r.run(fmt.Sprintf("%d bytes by %s", size, framing), func(r *registry) {
					content := noise(size, uint64(size))
					first := r.begin(framing)
					second := r.do("PATCH", first, body(content[:10])).want(http.StatusAccepted).location()
					lost := content[10 : size/2]
					var a *answer
					if framing == "length" {
						a = r.raw(head("PATCH", second, fmt.Sprintf("Content-Length: %d", size-10)), lost)
					} else {
						a = r.raw(head("PATCH", second, "Transfer-Encoding: chunked")+fmt.Sprintf("%x\r\n", size), lost)
					}
					a.fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
					reached := fmt.Sprintf("0-%d", size/2-1)
					for _, location := range []string{first, second} {
						r.do("GET", location).want(http.StatusNoContent).has("Range", reached)
					}
					status := r.beside().do("GET", second).want(http.StatusNoContent).has("Range", reached)
					r.do("PUT", closing(status.location(), sha256(content)), body(content[size/2:])).want(http.StatusCreated)
					r.holds(framing, sha256(content), content)
				})
			}
		}
	})
}

// TestPatchCutOffThenRange is a client that knows how far it came, and goes on from there with the Location it has.
func TestPatchCutOffThenRange(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(1000, 1)
		location := r.begin("a")
		r.raw(head("PATCH", location, "Content-Length: 1000"), content[:600]).want(http.StatusBadRequest)
		a := r.do("PATCH", location, body(content[600:]), contentRange("600-999")).want(http.StatusAccepted).has("Range", "0-999")
		r.do("PUT", closing(a.location(), sha256(content))).want(http.StatusCreated)
		r.holds("a", sha256(content), content)
	})
}

// TestPutCutOff loses its client in the middle of the last body. There is no blob then, and the upload can be closed with the whole of it.
func TestPutCutOff(t *testing.T) {
	carried(t, func(r *registry) {
		for _, size := range []int{100, 300_000} {
			r.run(fmt.Sprint(size), func(r *registry) {
				content := noise(size, uint64(size))
				location := r.begin("a")
				lines := []string{fmt.Sprintf("Content-Length: %d", size)}
				r.untouched(func() {
					target := closing(location, sha256(content))
					r.raw(head("PUT", target, lines...), content[:size/2]).fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
					r.raw(head("PUT", target, lines...), nil).fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
					// What came has a digest too, but it is not what was asked for.
					r.raw(head("PUT", closing(location, sha256(content[:size/2])), lines...), content[:size/2]).fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
					r.lacksBlob("a", sha256(content))
					r.lacksBlob("a", sha256(content[:size/2]))
				}, r.unfinished()...)
				r.do("PUT", closing(location, sha256(content)), body(content)).want(http.StatusCreated)
				r.holds("a", sha256(content), content)
			})
		}
	})
}

// TestPostCutOff loses its client in the middle of a blob in one request.
func TestPostCutOff(t *testing.T) {
	carried(t, func(r *registry) {
		for _, size := range []int{100, 300_000} {
			content := noise(size, 1)
			r.untouched(func() {
				target := "/v2/a/blobs/uploads/?digest=" + sha256(content).String()
				r.raw(head("POST", target, fmt.Sprintf("Content-Length: %d", size)), content[:size/2]).fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
			}, r.unfinished()...)
			r.lacksBlob("a", sha256(content))
		}
	})
}

// TestManifestCutOff stores nothing of a manifest that stops early.
func TestManifestCutOff(t *testing.T) {
	carried(t, func(r *registry) {
		content := r.newImage("a", "cut off")
		r.untouched(func() {
			for _, ref := range []string{"tag", sha256(content).String()} {
				lines := []string{"Content-Type: " + v1.MediaTypeImageManifest, fmt.Sprintf("Content-Length: %d", len(content)+1)}
				r.raw(head("PUT", "/v2/a/manifests/"+ref, lines...), content).fails(http.StatusBadRequest, "MANIFEST_INVALID")
			}
		})
		r.lacksManifest("a", "tag")
		r.lacksManifest("a", sha256(content).String())
	})
}
