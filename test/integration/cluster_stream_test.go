//go:build stores

package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

// sequence is content without an end, of which no byte is kept: it repeats after a length that no part of an upload has, so that no two parts are alike.
type sequence struct{ phase int64 }

var sequenceNoise = noise(4*mib-3, 99)

// part reads [off, end) of the content.
func (e sequence) part(off, end int64) io.Reader {
	return io.LimitReader(&sequenceReader{(e.phase + off) % int64(len(sequenceNoise))}, end-off)
}

// digest is that of [0, end), with nothing copied.
func (e sequence) digest(end int64) digest.Digest {
	sum := digest.SHA256.Digester()
	for off := e.phase % int64(len(sequenceNoise)); end > 0; off = 0 {
		n := min(end, int64(len(sequenceNoise))-off)
		sum.Hash().Write(sequenceNoise[off : off+n])
		end -= n
	}
	return sum.Digest()
}

type sequenceReader struct{ at int64 }

func (r *sequenceReader) Read(p []byte) (int, error) {
	n := copy(p, sequenceNoise[r.at:])
	r.at = (r.at + int64(n)) % int64(len(sequenceNoise))
	return n, nil
}

// trap reads, and springs when all before a place was read.
type trap struct {
	io.Reader
	left   int64
	spring func()
}

func (t *trap) Read(p []byte) (int, error) {
	if t.left == 0 && t.spring != nil {
		t.spring()
		t.spring = nil
	}
	if t.spring != nil {
		p = p[:min(int64(len(p)), t.left)]
	}
	n, err := t.Reader.Read(p)
	t.left -= int64(n)
	return n, err
}

// reading sends a body whose length is not said ahead.
func reading(content io.Reader) option {
	return func(req *http.Request) { req.Body, req.ContentLength = io.NopCloser(content), -1 }
}

// at is a client of one node.
func at(t *testing.T, n *cluster.Node) *registry {
	transport := &http.Transport{DisableCompression: true, WriteBufferSize: 64 << 10, MaxIdleConnsPerHost: 16, ExpectContinueTimeout: soon}
	t.Cleanup(transport.CloseIdleConnections)
	return &registry{T: t, url: n.URL, client: &http.Client{Transport: transport, Timeout: patience}}
}

// through is a client of a whole cluster.
func through(t *testing.T, c *cluster.Cluster, policy cluster.Policy) *registry {
	client := c.Client(policy)
	client.Timeout = patience
	return &registry{T: t, url: c.URL, client: client}
}

// offset is how far an upload is, by a Range header. None here is a single byte long.
func (a *answer) offset() int64 {
	a.Helper()
	_, last, _ := strings.Cut(a.header.Get("Range"), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		a.Fatalf("%s: the Range %q", a.what, a.header.Get("Range"))
	}
	if end > 0 {
		end++
	}
	return end
}

// resumeTime is how long a node may say that an upload is in other hands, after the node that had it has died. The Redis provider waits two seconds; the
// rest is for machines that have much to do.
const resumeTime = time.Minute

// resume asks where an upload stands and sends the rest, up to end. It asks again as long as the upload is in other hands, which it wants to hear before it
// sends anything: else it may see no more of that than a connection that breaks. It gives the offset it heard of first, and where the upload stands then.
func (r *registry) resume(location string, content sequence, end int64) (first int64, next string) {
	r.Helper()
	deadline := time.Now().Add(resumeTime)
	for first = -1; ; {
		status := r.do(http.MethodGet, r.url+location).want(http.StatusNoContent)
		off := status.offset()
		if first < 0 {
			first = off
		}
		a := r.do(http.MethodPatch, r.url+status.location(), reading(content.part(off, end)), header("Expect", "100-continue"))
		if a.status != http.StatusRequestedRangeNotSatisfiable || time.Now().After(deadline) {
			return first, a.want(http.StatusAccepted).has("Range", fmt.Sprintf("0-%d", end-1)).location()
		}
	}
}

// blob reads a blob and compares its digest. It may run beside the test.
func (r *registry) blob(name string, d digest.Digest, size int64) {
	r.Helper()
	response, err := r.client.Get(r.url + "/v2/" + name + "/blobs/" + d.String())
	if err != nil {
		r.Error(err)
		return
	}
	defer response.Body.Close()
	got := d.Algorithm().Digester()
	n, err := io.Copy(got.Hash(), response.Body)
	if err != nil || response.StatusCode != http.StatusOK || n != size || got.Digest() != d {
		r.Errorf("%s: %s, %d bytes of %d with the digest %s, %v", d, response.Status, n, size, got.Digest(), err)
	}
}
