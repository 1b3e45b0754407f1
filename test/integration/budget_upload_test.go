//go:build stores

package integration_test

import (
	stdsha256 "crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
)

// The tests in the budget files hold the table "Budgets" of DESIGN.md: what an operation of the protocol costs at the store, counted at the driver's
// transport and once more on the wire. `go test -v -run Budget` prints the figures.

// overhead is how many bytes a push may send to the store beyond those of the blob.
const overhead = 64 * kib

func TestBudgetSmallPush(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	for i, size := range []int{0, 1, kib, 64 * kib} {
		node, content := m.node(), noise(size, uint64(i))
		m.costs(fmt.Sprintf("POST and PUT with a body of %d bytes", size), 2, func() {
			node.do("PUT", closing(node.begin("a"), sha256(content)), body(content)).want(http.StatusCreated)
		})
		m.costs(fmt.Sprintf("POST with a body of %d bytes", size), 2, func() {
			node.do("POST", "/v2/b/blobs/uploads/?digest="+sha512(content).String(), body(content)).want(http.StatusCreated)
		})
		node.holds("a", sha256(content), content)
	}
}

// TestBudgetPush pushes as docker does: POST, one PATCH in chunked transfer coding, PUT. Nothing is read back, and nothing sent twice.
func TestBudgetPush(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size   int64
		atMost int
	}{{mib, 3}, {64 * mib, 10}, {512 * mib, 46}} {
		t.Run(fmt.Sprintf("%d MiB", c.size/mib), func(t *testing.T) {
			t.Parallel()
			m := newMetered(t)
			node, source := m.node(), newEndless(c.size)
			var d digest.Digest
			got := m.costs(fmt.Sprintf("POST, PATCH and PUT, %d MiB", c.size/mib), c.atMost, func() {
				a := node.do("PATCH", node.begin("a"), func(req *http.Request) { req.Body, req.ContentLength = io.NopCloser(source), -1 }).want(http.StatusAccepted)
				d = source.digest()
				node.do("PUT", closing(a.location(), d)).want(http.StatusCreated)
			})
			if got.sent < c.size || got.retries == 0 && got.sent > c.size+overhead {
				t.Errorf("%d bytes were sent for a blob of %d", got.sent, c.size)
			}
			if got.dataReads > 0 {
				t.Errorf("%d reads of what was just written", got.dataReads)
			}
			if a := node.do("HEAD", "/v2/a/blobs/"+d.String()).want(http.StatusOK); a.length != c.size {
				t.Errorf("the blob has %d bytes, want %d", a.length, c.size)
			}
		})
	}
}

// TestBudgetThereAlready pushes what the registry has. What came is dropped, after one HEAD of the bytes that were there; bytes inline need none.
func TestBudgetThereAlready(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, atMost, stats int }{{kib, 3, 0}, {mib, 6, 1}} {
		m := newMetered(t)
		node, content := m.node(), noise(c.size, 1)
		node.pushBlob("a", content)
		got := m.costs(fmt.Sprintf("%d bytes that another repository has", c.size), c.atMost, func() { node.pushBlob("b", content) })
		if n := got.operations["HeadObject"]; n != c.stats {
			t.Errorf("%d bytes were looked for %d times, want %d", c.size, n, c.stats)
		}
		node.holds("b", sha256(content), content)
	}
}

// TestBudgetChunks pushes in PATCHes that two nodes take in turns.
func TestBudgetChunks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ size, chunk, atMost int }{{64 * mib, 8 * mib, 34}, {16 * mib, mib, 48}} {
		t.Run(fmt.Sprintf("%d MiB by %d MiB", c.size/mib, c.chunk/mib), func(t *testing.T) {
			t.Parallel()
			m := newMetered(t)
			nodes, content := []*registry{m.node(), m.node()}, noise(c.size, 1)
			m.costs(fmt.Sprintf("%d MiB in PATCHes of %d MiB", c.size/mib, c.chunk/mib), c.atMost, func() {
				location := nodes[1].begin("a")
				for i := 0; i*c.chunk < c.size; i++ {
					chunk := content[i*c.chunk : (i+1)*c.chunk]
					location = nodes[i%2].do("PATCH", location, body(chunk)).want(http.StatusAccepted).location()
				}
				nodes[0].do("PUT", closing(location, sha256(content))).want(http.StatusCreated)
			})
			nodes[1].holds("a", sha256(content), content)
		})
	}
}

// endless is so many bytes, made as they are read, of which no two MiB are the same.
type endless struct {
	block      []byte
	size, read int64
	hash       interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func newEndless(size int64) *endless {
	return &endless{block: noise(mib+4099, 1), size: size, hash: stdsha256.New()}
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read == e.size {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), e.size-e.read)], e.block[e.read%int64(len(e.block)):])
	e.hash.Write(p[:n])
	e.read += int64(n)
	return n, nil
}

func (e *endless) digest() digest.Digest {
	return digest.NewDigestFromBytes(digest.SHA256, e.hash.Sum(nil))
}
