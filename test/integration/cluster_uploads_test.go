//go:build stores

package integration_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

// carriers are the ways in which nodes hand uploads to each other.
var carriers = []struct {
	name string
	opts cluster.Options
}{
	{"hmac", cluster.Options{}},
	{"redis", cluster.Options{Redis: true, Provider: "redis"}},
}

// TestClusterUploads pushes blobs so that every request goes to another node than the one before.
func TestClusterUploads(t *testing.T) {
	t.Parallel()
	content := noise(20*mib+12345, 1)
	for _, by := range carriers {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			c := cluster.Start(t, by.opts)
			t.Run("push", func(t *testing.T) {
				for i, how := range wanderings {
					t.Run(how.name, func(t *testing.T) {
						t.Parallel()
						mine := content[i:] // a blob that is there already would be no test
						w := newWanderer(t, c, fmt.Sprintf("repo%d", i))
						w.pulls(how.push(w, mine), mine)
					})
				}
			})
			c.Check(t)
		})
	}
}

// wanderings are the ways in which clients push.
var wanderings = []struct {
	name string
	push func(w *wanderer, content []byte) digest.Digest
}{
	{"docker", func(w *wanderer, content []byte) digest.Digest {
		w.post()
		w.patch(len(content), streamed(content))
		return w.put(sha256(content))
	}},
	{"containerd", func(w *wanderer, content []byte) digest.Digest {
		w.post()
		return w.put(sha256(content), body(content))
	}},
	{"chunks of 1 MiB", wanderInChunks(mib, false, sha256)},
	{"chunks of 5 MiB", wanderInChunks(5*mib, true, sha256)},
	{"chunks of 8 MiB", wanderInChunks(8*mib, false, sha256)},
	{"an empty PATCH first", func(w *wanderer, content []byte) digest.Digest {
		w.post()
		w.patch(0, body(""))
		w.patch(len(content), streamed(content))
		return w.put(sha256(content))
	}},
	{"sha512", wanderInChunks(5*mib, false, sha512, "digest-algorithm=sha512")},
	{"sha512, not announced", func(w *wanderer, content []byte) digest.Digest {
		w.post()
		w.patch(len(content), streamed(content))
		return w.put(sha512(content))
	}},
}

// wanderInChunks sends chunks with their Content-Range, the last of them with the closing PUT if so wished.
func wanderInChunks(size int, lastWithPut bool, sum func([]byte) digest.Digest, query ...string) func(*wanderer, []byte) digest.Digest {
	return func(w *wanderer, content []byte) digest.Digest {
		w.post(query...)
		for start := 0; start < len(content); start += size {
			end := min(start+size, len(content))
			chunk := []option{body(content[start:end]), contentRange(fmt.Sprintf("%d-%d", start, end-1))}
			if end == len(content) && lastWithPut {
				return w.put(sum(content), chunk...)
			}
			w.patch(end, chunk...)
		}
		return w.put(sum(content))
	}
}

// wanderer is a client of a cluster with an upload, each of whose requests is answered by another node.
type wanderer struct {
	*registry
	name     string
	location string
	last     string // the node that answered last
}

func newWanderer(t *testing.T, c *cluster.Cluster, name string) *wanderer {
	return &wanderer{registry: through(t, c, cluster.RoundRobin), name: name}
}

// ask sends a request, and sees to it that no node answers twice in a row.
func (w *wanderer) ask(method, target string, options ...option) *answer {
	w.Helper()
	a := w.do(method, target, options...)
	now := a.header.Get(cluster.NodeHeader)
	if now == "" || now == w.last {
		w.Fatalf("%s was answered by node %q, the request before by node %q", a.what, now, w.last)
	}
	w.last = now
	return a
}

func (w *wanderer) post(query ...string) {
	w.Helper()
	target := "/v2/" + w.name + "/blobs/uploads/"
	for _, q := range query {
		target += "?" + q
	}
	w.location = w.ask(http.MethodPost, target).want(http.StatusAccepted).location()
	w.stands(0)
}

// patch sends a chunk that brings the upload to offset, and goes on from the Location that the next node gives.
func (w *wanderer) patch(offset int, chunk ...option) {
	w.Helper()
	w.location = w.ask(http.MethodPatch, w.location, chunk...).want(http.StatusAccepted).has("Range", rangeTo(offset)).location()
	w.stands(offset)
}

// stands asks for the status.
func (w *wanderer) stands(offset int) {
	w.Helper()
	w.location = w.ask(http.MethodGet, w.location).want(http.StatusNoContent).has("Range", rangeTo(offset)).location()
}

func rangeTo(offset int) string { return fmt.Sprintf("0-%d", max(offset-1, 0)) }

func (w *wanderer) put(d digest.Digest, chunk ...option) digest.Digest {
	w.Helper()
	w.ask(http.MethodPut, closing(w.location, d), chunk...).want(http.StatusCreated).has("Docker-Content-Digest", d.String())
	return d
}

// pulls reads the blob from every node.
func (w *wanderer) pulls(d digest.Digest, content []byte) {
	w.Helper()
	for range 3 {
		w.ask(http.MethodGet, "/v2/"+w.name+"/blobs/"+d.String()).want(http.StatusOK).has("Docker-Content-Digest", d.String()).is(content)
	}
}
