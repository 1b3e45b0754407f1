package integration_test

import (
	"net/http"
	"testing"
)

// TestStatus asks where an upload stands (end-13), and goes on with the Location it is given.
func TestStatus(t *testing.T) {
	carried(t, func(r *registry) {
		first := r.begin("a")
		r.do("GET", first).want(http.StatusNoContent).has("Range", "0-0")
		second := r.do("PATCH", first, body("0123")).want(http.StatusAccepted).location()
		for _, method := range []string{"GET", "HEAD"} {
			r.untouched(func() {
				a := r.do(method, second).want(http.StatusNoContent).has("Range", "0-3")
				if a.header.Get("Docker-Upload-Uuid") == "" || len(a.body) > 0 {
					r.Errorf("%s: %v %q", a.what, a.header, a.body)
				}
				a.location()
			})
		}
		location := r.do("GET", second).location()
		r.do("PUT", closing(location, sha256([]byte("012345"))), body("45")).want(http.StatusCreated)
	})
}

// TestCancel drops an upload (end-14). From then on nobody knows it.
func TestCancel(t *testing.T) {
	carried(t, func(r *registry) {
		for name, size := range map[string]int{"fresh": 0, "small": 10, "large": 200_000} {
			r.run(name, func(r *registry) {
				content := noise(size, 1)
				first := r.begin("a")
				locations := []string{first}
				if size > 0 {
					locations = append(locations, r.do("PATCH", first, body(content)).want(http.StatusAccepted).location())
				}
				last := locations[len(locations)-1]
				r.do("DELETE", last).want(http.StatusNoContent)
				for _, location := range locations {
					r.untouched(func() {
						r.do("GET", location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
						r.do("HEAD", location).fails(http.StatusNotFound)
						r.do("PATCH", location, body("more")).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
						r.do("PUT", closing(location, sha256(content))).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
						r.do("DELETE", location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
					})
				}
				r.lacksBlob("a", sha256(content))
			})
		}
	})
}

// TestCancelLeavesOthers: what another upload has made of the same content stays.
func TestCancelLeavesOthers(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(100_000, 1)
		one := r.do("PATCH", r.begin("a"), body(content)).want(http.StatusAccepted).location()
		two := r.do("PATCH", r.begin("a"), body(content)).want(http.StatusAccepted).location()
		r.do("PUT", closing(one, sha256(content))).want(http.StatusCreated)
		r.do("DELETE", two).want(http.StatusNoContent)
		r.holds("a", sha256(content), content)
		r.do("DELETE", one)
		r.holds("a", sha256(content), content)
	})
}
