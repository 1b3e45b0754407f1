package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestPatch adds chunks to an upload (end-5), each in one of the ways that clients have.
func TestPatch(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(300_000, 1)
		for _, c := range []struct {
			name string
			send func(chunk []byte, start, end int) []option
		}{
			{"streamed", func(chunk []byte, _, _ int) []option { return []option{streamed(chunk)} }},
			{"with a length", func(chunk []byte, _, _ int) []option { return []option{body(chunk)} }},
			{"with a range", func(chunk []byte, start, end int) []option {
				return []option{body(chunk), contentRange(fmt.Sprintf("%d-%d", start, end))}
			}},
			{"with a range of bytes", func(chunk []byte, start, end int) []option {
				return []option{body(chunk), contentRange(fmt.Sprintf("bytes %d-%d/*", start, end))}
			}},
			{"with a range of bytes and a total", func(chunk []byte, start, end int) []option {
				return []option{body(chunk), contentRange(fmt.Sprintf("bytes %d-%d/300000", start, end))}
			}},
			{"streamed with a range", func(chunk []byte, start, end int) []option {
				return []option{streamed(chunk), contentRange(fmt.Sprintf("%d-%d", start, end))}
			}},
		} {
			r.run(c.name, func(r *registry) {
				repo := strings.ReplaceAll(c.name, " ", "-")
				location, start := r.begin(repo), 0
				for _, size := range []int{1, 99_999, 200_000} {
					a := r.do("PATCH", location, c.send(content[start:start+size], start, start+size-1)...).want(http.StatusAccepted)
					start += size
					a.has("Range", fmt.Sprintf("0-%d", start-1)).has("Content-Length", "0")
					location = a.location()
				}
				r.do("PUT", closing(location, sha256(content))).want(http.StatusCreated)
				r.holds(repo, sha256(content), content)
			})
		}
	})
}

// TestPatchOutOfOrder is answered with where the upload really stands, and goes on from there.
func TestPatchOutOfOrder(t *testing.T) {
	carried(t, func(r *registry) {
		content := []byte("0123456789")
		first := r.begin("a")
		second := r.do("PATCH", first, body(content[:5]), contentRange("0-4")).want(http.StatusAccepted).location()
		for name, span := range map[string]string{"a gap": "6-9", "a repetition": "4-9", "a far place": "9999999-10000003", "the start": "0-5"} {
			for _, method := range []string{"PATCH", "PUT"} {
				r.run(method+" "+name, func(r *registry) {
					chunk := body(content[:6])
					if name == "a gap" {
						chunk = body(content[:4])
					} else if name == "a far place" {
						chunk = body(content[:5])
					}
					r.untouched(func() {
						a := r.do(method, closing(second, sha256(content)), chunk, contentRange(span))
						a.fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
						a.has("Range", "0-4")
						r.do("GET", a.location()).want(http.StatusNoContent).has("Range", "0-4")
					})
				})
			}
		}
		a := r.do("PATCH", second, body(content[6:]), contentRange("6-9")).want(http.StatusRequestedRangeNotSatisfiable)
		third := r.do("PATCH", a.location(), body(content[5:8]), contentRange("5-7")).want(http.StatusAccepted).has("Range", "0-7").location()
		r.do("PUT", closing(third, sha256(content)), body(content[8:]), contentRange("8-9")).want(http.StatusCreated)
		r.holds("a", sha256(content), content)

		a = r.do("PATCH", r.begin("a"), body(content[5:]), contentRange("5-9")).want(http.StatusRequestedRangeNotSatisfiable).has("Range", "0-0")
		r.do("PATCH", a.location(), body(content), contentRange("0-9")).want(http.StatusAccepted)
	})
}

// TestPatchEmpty: some clients begin with a chunk of nothing.
func TestPatchEmpty(t *testing.T) {
	carried(t, func(r *registry) {
		for name, empty := range map[string]option{
			"no body": func(*http.Request) {}, "length zero": body(""), "chunked": streamed(nil), "with a range": contentRange("0-0"),
		} {
			r.run(name, func(r *registry) {
				location := r.begin("a")
				r.untouched(func() {
					location = r.do("PATCH", location, empty).want(http.StatusAccepted).has("Range", "0-0").location()
				})
				location = r.do("PATCH", location, body(name)).want(http.StatusAccepted).location()
				location = r.do("PATCH", location, empty).want(http.StatusAccepted).has("Range", fmt.Sprintf("0-%d", len(name)-1)).location()
				r.do("PUT", closing(location, sha256([]byte(name)))).want(http.StatusCreated)
				r.holds("a", sha256([]byte(name)), []byte(name))
			})
		}
		r.run("and nothing else", func(r *registry) {
			location := r.do("PATCH", r.begin("a"), body("")).want(http.StatusAccepted).location()
			r.do("PUT", closing(location, sha256(nil))).want(http.StatusCreated)
			r.holds("a", sha256(nil), nil)
		})
	})
}

func TestPatchRefused(t *testing.T) {
	carried(t, func(r *registry) {
		content := []byte("0123456789")
		for _, c := range []struct {
			name    string
			options []option
			status  int
			code    string
		}{
			{"range without an end", []option{body(content), contentRange("0-")}, 400, "BLOB_UPLOAD_INVALID"},
			{"range backwards", []option{body(content), contentRange("9-0")}, 400, "BLOB_UPLOAD_INVALID"},
			{"range with a sign", []option{body(content), contentRange("-1-9")}, 400, "BLOB_UPLOAD_INVALID"},
			{"range beyond its total", []option{body(content), contentRange("bytes 0-9/9")}, 400, "BLOB_UPLOAD_INVALID"},
			{"range too large to be true", []option{body(content), contentRange("0-99999999999999999999")}, 400, "BLOB_UPLOAD_INVALID"},
			{"range longer than the length", []option{body(content), contentRange("0-10")}, 400, "SIZE_INVALID"},
			{"range shorter than the length", []option{body(content), contentRange("0-8")}, 400, "SIZE_INVALID"},
			{"streamed more than the range", []option{streamed(content), contentRange("0-8")}, 400, "SIZE_INVALID"},
			{"streamed far more than the range", []option{streamed(noise(300_000, 1)), contentRange("0-199999")}, 400, "SIZE_INVALID"},
			{"compressed", []option{body(content), header("Content-Encoding", "gzip")}, 415, "UNSUPPORTED"},
		} {
			for _, method := range []string{"PATCH", "PUT"} {
				r.run(method+" "+c.name, func(r *registry) {
					location := r.begin("a")
					r.untouched(func() { r.do(method, closing(location, sha256(content)), c.options...).fails(c.status, c.code) })
					r.do("PUT", closing(location, sha256([]byte(c.name))), body(c.name)).want(http.StatusCreated)
				})
			}
		}
	})
}

// TestPatchNothing streams nothing of what its Content-Range says.
func TestPatchNothing(t *testing.T) {
	carried(t, func(r *registry) {
		for method, code := range map[string]string{"PATCH": "BLOB_UPLOAD_INVALID", "PUT": "SIZE_INVALID"} {
			location := r.begin("a")
			r.untouched(func() {
				r.do(method, closing(location, sha256(nil)), streamed(nil), contentRange("0-8")).fails(http.StatusBadRequest, code)
			})
		}
	})
}

// TestPatchShort streams less than its Content-Range says: what came is kept, and the client is told how much that is.
func TestPatchShort(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(200_000, 1)
		location := r.begin("a")
		r.do("PATCH", location, streamed(content[:150_000]), contentRange("0-199999")).fails(http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
		status := r.do("GET", location).want(http.StatusNoContent).has("Range", "0-149999")
		location = r.do("PATCH", status.location(), body(content[150_000:]), contentRange("150000-199999")).want(http.StatusAccepted).location()
		r.do("PUT", closing(location, sha256(content))).want(http.StatusCreated)
		r.holds("a", sha256(content), content)
	})
}
