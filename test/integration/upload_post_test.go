package integration_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// TestPost begins uploads.
func TestPost(t *testing.T) {
	carried(t, func(r *registry) {
		for _, path := range []string{"/v2/some/name/blobs/uploads/", "/v2/some/name/blobs/uploads"} {
			r.untouched(func() {
				a := r.do("POST", path).want(http.StatusAccepted).has("Range", "0-0").has("Content-Length", "0")
				if a.header.Get("Docker-Upload-Uuid") == "" {
					r.Error("no Docker-Upload-UUID")
				}
				if location := a.location(); !strings.HasPrefix(location, "/v2/some/name/blobs/uploads/") || len(location) > 1100 {
					r.Errorf("Location %s", location)
				}
			})
		}
		one, two := r.begin("some/name"), r.begin("some/name")
		if one == two {
			r.Errorf("two uploads with one Location: %s", one)
		}
	})
}

// TestPostNamesLeastChunk tells clients how long their chunks had better be ("Pushing a blob in chunks"), where that matters to the store.
func TestPostNamesLeastChunk(t *testing.T) {
	carried(t, func(r *registry) {
		want := ""
		if store, ok := drivers.As[drivers.Parter](r.driver); ok {
			want = strconv.FormatInt(store.LeastPart(), 10)
		}
		if s3 := strings.Contains(r.Name(), "s3"); s3 != (want == "5242880") || !s3 && want != "" {
			r.Errorf("parts of the store have %q bytes", want)
		}
		const name = "OCI-Chunk-Min-Length"
		a := r.do("POST", "/v2/a/blobs/uploads/").want(http.StatusAccepted).has(name, want)
		// It is a wish.
		a = r.do("PATCH", a.location(), body("0123")).want(http.StatusAccepted).has(name, "")
		a = r.do("PATCH", a.location(), body("45"), contentRange("4-5")).want(http.StatusAccepted)
		r.do("PUT", closing(a.location(), sha256([]byte("012345")))).want(http.StatusCreated)
	})
}

// TestPostDigest stores a whole blob by one POST (end-4b).
func TestPostDigest(t *testing.T) {
	carried(t, func(r *registry) {
		for name, content := range map[string][]byte{"empty": nil, "small": []byte("small"), "large": noise(200_000, 1)} {
			for _, d := range []string{sha256(content).String(), sha512(content).String()} {
				for how, option := range map[string]option{"length": body(content), "chunked": streamed(content)} {
					r.run(strings.Join([]string{name, d[:6], how}, " "), func(r *registry) {
						repo := strings.ToLower(name + "/" + d[:6] + "/" + how)
						a := r.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+d, option).want(http.StatusCreated)
						a.has("Docker-Content-Digest", d).has("Location", "/v2/"+repo+"/blobs/"+d)
						r.do("GET", a.location()).want(http.StatusOK).has("Docker-Content-Digest", d).is(content)
					})
				}
			}
		}
	})
}

func TestPostRefused(t *testing.T) {
	carried(t, func(r *registry) {
		content := []byte("content")
		good, other := sha256(content).String(), sha256([]byte("other")).String()
		for _, c := range []struct {
			name, query string
			options     []option
			status      int
			code        string
		}{
			{"wrong digest", "digest=" + other, []option{body(content)}, 400, "DIGEST_INVALID"},
			{"wrong digest of a large one", "digest=" + other, []option{body(noise(200_000, 1))}, 400, "DIGEST_INVALID"},
			{"no digest", "digest=", []option{body(content)}, 400, "DIGEST_INVALID"},
			{"no algorithm", "digest=" + good[7:], []option{body(content)}, 400, "DIGEST_INVALID"},
			{"unknown algorithm", "digest=sha384:" + strings.Repeat("a", 96), []option{body(content)}, 400, "DIGEST_INVALID"},
			{"upper-case digest", "digest=sha256:" + strings.ToUpper(good[7:]), []option{body(content)}, 400, "DIGEST_INVALID"},
			{"short digest", "digest=" + good[:70], []option{body(content)}, 400, "DIGEST_INVALID"},
			{"no algorithm for an upload", "digest-algorithm=", nil, 400, "DIGEST_INVALID"},
			{"unknown algorithm for an upload", "digest-algorithm=sha384", nil, 400, "DIGEST_INVALID"},
			{"compressed", "digest=" + good, []option{body(content), header("Content-Encoding", "gzip")}, 415, "UNSUPPORTED"},
			{"mount of a bad digest", "mount=sha256:0&from=other", nil, 400, "DIGEST_INVALID"},
			{"mount from a bad name", "mount=" + good + "&from=Other", nil, 400, "NAME_INVALID"},
		} {
			r.run(c.name, func(r *registry) {
				r.untouched(func() { r.do("POST", "/v2/some/name/blobs/uploads/?"+c.query, c.options...).fails(c.status, c.code) })
			})
		}
	})
}

// TestMount gives a repository what another one has (end-11).
func TestMount(t *testing.T) {
	carried(t, func(r *registry) {
		content := []byte("shared")
		d := r.pushBlob("from/here", content)
		long := noise(100_000, 1)
		r.pushBlob("from/here", long)
		deleted := r.pushBlob("from/here", []byte("deleted"))
		r.do("DELETE", "/v2/from/here/blobs/"+deleted.String()).want(http.StatusAccepted)

		for _, c := range []struct {
			name, query string
			content     []byte
			status      int
		}{
			{"from another repository", "mount=" + d.String() + "&from=from/here", content, 201},
			{"from itself", "mount=" + d.String() + "&from=from/itself", content, 202},
			{"from nowhere in particular", "mount=" + d.String(), content, 201},
			{"with an empty from", "mount=" + d.String() + "&from=", content, 201},
			{"a large one", "mount=" + sha256(long).String() + "&from=from/here", long, 201},
			{"with the digest escaped", "mount=" + strings.Replace(d.String(), ":", "%3A", 1) + "&from=from%2Fhere", content, 201},
			{"from one that does not have it", "mount=" + d.String() + "&from=nobody/here", content, 202},
			{"of an unknown blob", "mount=" + sha256([]byte("?")).String() + "&from=from/here", []byte("?"), 202},
			{"of an unknown blob from nowhere in particular", "mount=" + sha256([]byte("!")).String(), []byte("!"), 202},
			{"of a blob deleted there", "mount=" + deleted.String() + "&from=from/here", []byte("deleted"), 202},
		} {
			r.run(c.name, func(r *registry) {
				repo := strings.ReplaceAll(c.name, " ", "-")
				post := func() *answer { return r.do("POST", "/v2/"+repo+"/blobs/uploads/?"+c.query).want(c.status) }
				if c.status == http.StatusAccepted {
					var location string
					r.untouched(func() { location = post().has("Range", "0-0").location() })
					r.do("PUT", closing(location, sha256(c.content)), body(c.content)).want(http.StatusCreated)
				} else {
					post().has("Docker-Content-Digest", sha256(c.content).String()).has("Location", "/v2/"+repo+"/blobs/"+sha256(c.content).String())
					r.untouched(func() { post() })
				}
				r.holds(repo, sha256(c.content), c.content)
			})
		}
	})
}
