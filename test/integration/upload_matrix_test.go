package integration_test

import (
	"fmt"
	"net/http"
	"testing"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// pushers are the ways in which clients push a blob. Each gives the answer to its last request.
var pushers = []struct {
	name string
	push func(r *registry, name string, content []byte) *answer
}{
	{"docker", func(r *registry, name string, content []byte) *answer {
		location := r.do("PATCH", r.begin(name), streamed(content)).want(http.StatusAccepted).location()
		return r.do("PUT", closing(location, sha256(content)))
	}},
	{"containerd", func(r *registry, name string, content []byte) *answer {
		return r.do("PUT", closing(r.begin(name), sha256(content)), body(content))
	}},
	{"containerd, chunked transfer", func(r *registry, name string, content []byte) *answer {
		return r.do("PUT", closing(r.begin(name), sha256(content)), streamed(content))
	}},
	{"one POST", func(r *registry, name string, content []byte) *answer {
		return r.do("POST", "/v2/"+name+"/blobs/uploads/?digest="+sha256(content).String(), body(content))
	}},
	{"chunks of 100 KiB", chunks(100*kib, false)},
	{"chunks of 1 MiB", chunks(mib, true)},
	{"chunks of 5 MiB", chunks(5*mib, false)},
	{"chunks of 8 MiB", chunks(8*mib, true)},
}

// chunks pushes in chunks of a size, the last of them with the closing PUT if so wished.
func chunks(size int, lastWithPut bool) func(*registry, string, []byte) *answer {
	return func(r *registry, name string, content []byte) *answer {
		location := r.begin(name)
		for start := 0; ; start += size {
			end := min(start+size, len(content))
			chunk := []option{body(content[start:end]), contentRange(fmt.Sprintf("%d-%d", start, end-1))}
			if start == end {
				chunk = nil
			}
			if end == len(content) && lastWithPut {
				return r.do("PUT", closing(location, sha256(content)), chunk...)
			}
			location = r.do("PATCH", location, chunk...).want(http.StatusAccepted).location()
			if end == len(content) {
				return r.do("PUT", closing(location, sha256(content)))
			}
		}
	}
}

// matrixSizes lie around the limits: what a pointer holds, what makes an upload write its state down.
var matrixSizes = []int{0, 1, 64*kib - 1, 64 * kib, 64*kib + 1, mib, 16*mib - 1, 16*mib + 1}

func TestUploadMatrix(t *testing.T) {
	carried(t, func(r *registry) {
		all := noise(16*mib+1, 1)
		for i, p := range pushers {
			for j, size := range matrixSizes {
				if size > mib && i%4 != j%4 {
					continue // the large ones take turns
				}
				r.run(fmt.Sprintf("%s, %d bytes", p.name, size), func(r *registry) {
					name, content := fmt.Sprintf("repo%d", i), all[:size]
					p.push(r, name, content).want(http.StatusCreated).has("Docker-Content-Digest", sha256(content).String())
					r.holds(name, sha256(content), content)
				})
			}
		}
	})
}

// TestUploadOneByteChunks is the worst that a client can do.
func TestUploadOneByteChunks(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(70, 1)
		chunks(1, false)(r, "a", content).want(http.StatusCreated)
		r.holds("a", sha256(content), content)
	})
}

// TestUploadBeyondCheckpoint is large enough for a checkpoint within one request, and goes on behind it.
func TestUploadBeyondCheckpoint(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(70*mib, 1)
		location := r.begin("a")
		first := r.do("PATCH", location, streamed(content[:66*mib])).want(http.StatusAccepted).has("Range", fmt.Sprintf("0-%d", 66*mib-1)).location()
		r.do("GET", location).want(http.StatusNoContent).has("Range", fmt.Sprintf("0-%d", 66*mib-1))
		second := r.beside()
		r.do("PUT", closing(second.url+first, sha256(content)), body(content[66*mib:])).want(http.StatusCreated)
		r.holds("a", sha256(content), content)

		// It is over for all who would go on with it, and has come to its end well for who ends it once more.
		for _, old := range []string{location, first} {
			r.do("GET", old).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		}
		r.do("PATCH", first, body(content[66*mib:])).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		r.do("PUT", closing(first, sha256(content)), body(content[66*mib:])).want(http.StatusCreated)
		r.do("PUT", closing(first, sha256(content[:66*mib]))).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	})
}
