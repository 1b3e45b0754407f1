package integration_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestDeleteTag takes away one tag, at once. The manifest and its other tags stay (end-9).
func TestDeleteTag(t *testing.T) {
	each(t, func(r *registry) {
		content := r.newImage("a", "a")
		d := sha256(content)
		push := func(tag string) { r.put("a", tag, v1.MediaTypeImageManifest, content).want(http.StatusCreated) }
		push("one")
		push("two")
		for range 2 {
			r.do("DELETE", "/v2/a/manifests/one").want(http.StatusAccepted)
			r.lacksManifest("a", "one")
			r.beside().lacksManifest("a", "one")
			r.serves("a", "two", v1.MediaTypeImageManifest, d, content)
			r.serves("a", d.String(), v1.MediaTypeImageManifest, d, content)
			r.tags("a", "", "two")
			r.untouched(func() { r.do("DELETE", "/v2/a/manifests/one").fails(http.StatusNotFound, "MANIFEST_UNKNOWN") })
			push("one")
			r.serves("a", "one", v1.MediaTypeImageManifest, d, content)
			r.tags("a", "", "one", "two")
		}
	})
}

// TestDeleteManifest takes away a manifest and every tag that points to it, at once, and nothing else.
func TestDeleteManifest(t *testing.T) {
	each(t, func(r *registry) {
		content, stays := r.newImage("a", "goes"), r.newImage("a", "stays")
		d := sha256(content)
		push := func() {
			r.put("a", d.String()+"?tag=one&tag=two", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
			r.put("a", "moved", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
			r.put("a", "moved", v1.MediaTypeImageManifest, stays).want(http.StatusCreated)
		}
		push()
		r.newImage("b", "goes")
		r.put("b", "one", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
		for range 2 {
			r.do("DELETE", "/v2/a/manifests/"+d.String()).want(http.StatusAccepted)
			for _, ref := range []string{d.String(), "one", "two"} {
				r.lacksManifest("a", ref)
				r.beside().lacksManifest("a", ref)
			}
			r.serves("a", "moved", v1.MediaTypeImageManifest, sha256(stays), stays)
			r.serves("b", "one", v1.MediaTypeImageManifest, d, content)
			r.tags("a", "", "moved")
			r.do("DELETE", "/v2/a/manifests/"+d.String()).fails(http.StatusNotFound, "MANIFEST_UNKNOWN")
			r.do("DELETE", "/v2/a/manifests/one").fails(http.StatusNotFound, "MANIFEST_UNKNOWN")
			push()
			for _, ref := range []string{d.String(), "one", "two"} {
				r.serves("a", ref, v1.MediaTypeImageManifest, d, content)
			}
		}
	})
}

// TestDeleteEverything leaves a repository that is known and empty.
func TestDeleteEverything(t *testing.T) {
	each(t, func(r *registry) {
		d := r.pushImage("a", "latest")
		r.do("DELETE", "/v2/a/manifests/"+d.String()).want(http.StatusAccepted)
		for _, layer := range []string{`{"created by":"a:latest"}`, "layer of a:latest"} {
			r.do("DELETE", "/v2/a/blobs/"+sha256([]byte(layer)).String()).want(http.StatusAccepted)
		}
		r.tags("a", "")
		for _, node := range []*registry{r, r.beside()} {
			a := node.do("GET", "/v2/a/tags/list").want(http.StatusOK)
			a.is([]byte(`{"name":"a","tags":[]}`))
		}
		content := r.newImage("a", "a:latest")
		r.do("DELETE", "/v2/a/blobs/"+sha256([]byte("layer of a:latest")).String()).want(http.StatusAccepted)
		r.put("a", "latest", v1.MediaTypeImageManifest, content).fails(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")
		r.pushImage("a", "latest")
		r.tags("a", "", "latest")
	})
}

// TestDeletesOff answers every delete of content with 405, and does nothing; an upload can be cancelled all the same.
func TestDeletesOff(t *testing.T) {
	each(t, func(r *registry) {
		d := r.pushImage("a", "latest")
		blob := r.pushBlob("a", []byte("blob"))
		r.untouched(func() {
			for _, path := range []string{
				"manifests/latest", "manifests/" + d.String(), "blobs/" + blob.String(), "manifests/unknown", "manifests/" + blob.String(), "blobs/" + d.String(),
			} {
				a := r.do("DELETE", "/v2/a/"+path)
				a.fails(http.StatusMethodNotAllowed, "UNSUPPORTED")
				if strings.HasPrefix(path, "blobs/") {
					a.allows([]string{"GET", "HEAD"})
				} else {
					a.allows([]string{"GET", "HEAD", "PUT"})
				}
			}
		})
		r.do("DELETE", r.begin("a")).want(http.StatusNoContent)
	}, deletesOff)
}

// TestReadOnly answers every write with 405, and every read.
func TestReadOnly(t *testing.T) {
	each(t, func(r *registry) {
		content := r.newImage("a", "a")
		d := sha256(content)
		r.put("a", "latest", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
		blob := r.pushBlob("a", []byte("blob"))
		location := r.do("PATCH", r.begin("a"), body("some")).location()
		still := r.beside(readOnly)
		r.untouched(func() {
			for _, c := range []struct {
				method, target string
				options        []option
			}{
				{"POST", "/v2/a/blobs/uploads/", nil},
				{"POST", "/v2/a/blobs/uploads/?digest=" + sha256([]byte("new")).String(), []option{body("new")}},
				{"POST", "/v2/b/blobs/uploads/?from=a&mount=" + blob.String(), nil},
				{"PATCH", location, []option{body("more")}},
				{"PUT", closing(location, sha256([]byte("some"))), nil},
				{"DELETE", location, nil},
				{"PUT", "/v2/a/manifests/new", []option{body(content), header("Content-Type", v1.MediaTypeImageManifest)}},
				{"DELETE", "/v2/a/manifests/latest", nil},
				{"DELETE", "/v2/a/manifests/" + d.String(), nil},
				{"DELETE", "/v2/a/blobs/" + blob.String(), nil},
			} {
				a := still.do(c.method, c.target, slices.Clone(c.options)...)
				a.fails(http.StatusMethodNotAllowed, "UNSUPPORTED")
				if c.method == "POST" {
					a.allows([]string{""}) // nothing is left there
				} else {
					a.allows([]string{"GET", "HEAD"})
				}
			}
			still.serves("a", "latest", v1.MediaTypeImageManifest, d, content)
			still.holds("a", blob, []byte("blob"))
			still.do("GET", location).want(http.StatusNoContent)
			still.tags("a", "", "latest")
		})
	})
}
