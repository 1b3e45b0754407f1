//go:build stores

package compat_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

// side is a node of one release, and a client of it.
type side struct {
	*testing.T
	release string // "old" or "new"
	node    *cluster.Node
	url     string
	client  *http.Client
}

// sides starts a cluster of two: its first node runs the previous release, its second one this tree.
func sides(t *testing.T) (c *cluster.Cluster, old, now *side) {
	t.Helper()
	c = cluster.Start(t, cluster.Options{Nodes: 2, Programs: []string{oldProgram(t)}})
	at := func(n int, release string) *side {
		return &side{T: t, release: release, node: c.Node(n), url: c.URL, client: c.Client(cluster.Pin(n))}
	}
	return c, at(0, "old"), at(1, "new")
}

// in is the same for a part of the test.
func (s *side) in(t *testing.T) *side {
	part := *s
	part.T = t
	return &part
}

// both runs part twice, each time with the other release in the lead.
func both(t *testing.T, old, now *side, part func(t *testing.T, a, b *side)) {
	t.Helper()
	for _, pair := range [][2]*side{{old, now}, {now, old}} {
		t.Run(pair[0].release+" first", func(t *testing.T) {
			t.Parallel()
			part(t, pair[0].in(t), pair[1].in(t))
		})
	}
}

// request is what is asked for besides method and target.
type request struct {
	header  map[string]string
	body    []byte
	chunked bool // do not say how long the body is
	cut     bool // the client goes away behind the body, of which it has promised more
}

func typed(mediaType string, content []byte) request {
	return request{header: map[string]string{"Content-Type": mediaType}, body: content}
}

// piece is bytes start to end of a blob, with its Content-Range.
func piece(blob []byte, start, end int) request {
	return request{header: map[string]string{"Content-Range": fmt.Sprintf("%d-%d", start, end-1)}, body: blob[start:end]}
}

// answer is what came back.
type answer struct {
	*side
	what   string
	status int
	header http.Header
	body   []byte
}

// patience is how long a client waits for a whole answer: it ends a test that would hang.
const patience = 5 * time.Minute

// ask sends a request. A target is a path, or a whole URL as in a Location. An answer of status 0 means that there was none.
func (s *side) ask(method, target string, with request) *answer {
	s.Helper()
	if strings.HasPrefix(target, "/") {
		target = s.url + target
	}
	body := io.Reader(bytes.NewReader(with.body))
	if with.cut {
		body = io.MultiReader(body, brokenOff{})
	}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		s.Fatal(err)
	}
	if r.ContentLength = int64(len(with.body)); with.chunked || with.cut {
		r.ContentLength = -1
	}
	for name, value := range with.header {
		r.Header.Set(name, value)
	}
	a := &answer{side: s, what: fmt.Sprintf("%s %.100s of the %s release", method, strings.TrimPrefix(target, s.url), s.release)}
	resp, err := s.client.Do(r)
	if err != nil {
		if !with.cut {
			s.Fatalf("%s: %v", a.what, err)
		}
		return a
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		s.Fatalf("%s: %v", a.what, err)
	}
	return a
}

// brokenOff is the end of a body that was cut off.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (a *answer) want(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: status %d, want %d; body %.300q", a.what, a.status, status, a.body)
	}
	return a
}

func (a *answer) has(name, value string) *answer {
	a.Helper()
	if got := a.header.Get(name); got != value {
		a.Fatalf("%s: %s is %q, want %q", a.what, name, got, value)
	}
	return a
}

func (a *answer) is(content []byte) *answer {
	a.Helper()
	if !bytes.Equal(a.body, content) {
		a.Fatalf("%s: a body of %d bytes, want %d, or others than these", a.what, len(a.body), len(content))
	}
	return a
}

func (a *answer) location() string {
	a.Helper()
	location := a.header.Get("Location")
	if location == "" {
		a.Fatalf("%s: no Location", a.what)
	}
	return location
}

// noise is n bytes that look like nothing, always the same for one seed.
func noise(n int, seed string) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8(digestBytes(seed)).Read(content)
	return content
}

func digestBytes(seed string) (key [32]byte) {
	copy(key[:], digest.FromString(seed).Encoded())
	return key
}
