//go:build stores

package compat_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

const mib = 1 << 20

// upload is one whose every request goes to the other release than the one before.
type upload struct {
	next, then *side
	repo       string
	location   string
	closed     request // what it was closed with last
}

func begin(a, b *side, repo string) *upload {
	a.Helper()
	u := &upload{next: a, then: b, repo: repo}
	u.location = u.ask(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", request{}).want(http.StatusAccepted).location()
	return u
}

// ask sends a request to the release whose turn it is.
func (u *upload) ask(method, target string, with request) *answer {
	u.next.Helper()
	a := u.next.ask(method, target, with)
	u.next, u.then = u.then, u.next
	return a
}

// patch sends a chunk that brings the upload to offset.
func (u *upload) patch(offset int, with request) {
	u.next.Helper()
	u.location = u.ask(http.MethodPatch, u.location, with).want(http.StatusAccepted).has("Range", rangeTo(offset)).location()
}

// stands asks for the status.
func (u *upload) stands(offset int) {
	u.next.Helper()
	u.location = u.ask(http.MethodGet, u.location, request{}).want(http.StatusNoContent).has("Range", rangeTo(offset)).location()
}

// put closes the upload.
func (u *upload) put(d digest.Digest, with request) {
	u.next.Helper()
	u.closed = with
	u.ask(http.MethodPut, closing(u.location, d), with).want(http.StatusCreated).has("Docker-Content-Digest", d.String())
}

func rangeTo(offset int) string { return fmt.Sprintf("0-%d", max(offset-1, 0)) }

func closing(location string, d digest.Digest) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + d.String()
}

// holds reads a blob.
func (s *side) holds(repo string, d digest.Digest, blob []byte) {
	s.Helper()
	s.ask(http.MethodGet, "/v2/"+repo+"/blobs/"+d.String(), request{}).want(http.StatusOK).has("Docker-Content-Digest", d.String()).is(blob)
}

// way is one in which clients upload. It closes the upload as the digest that it gives.
type way struct {
	name string
	size int
	push func(u *upload, blob []byte) digest.Digest
}

var ways = []way{
	{"docker, small", 40_000, docker},
	{"docker, one part", 3 * mib, docker},
	{"docker, a checkpoint at the end", 16 * mib, docker},
	{"two PATCHes", 9*mib + 5, func(u *upload, blob []byte) digest.Digest {
		u.patch(4*mib, request{body: blob[:4*mib], chunked: true})
		u.patch(len(blob), request{body: blob[4*mib:], chunked: true})
		u.stands(len(blob))
		return u.close(blob)
	}},
	{"containerd", 6 * mib, func(u *upload, blob []byte) digest.Digest {
		d := digest.FromBytes(blob)
		u.put(d, request{body: blob})
		return d
	}},
	{"chunks of 5 MiB", 22*mib + 3, inChunks(5 * mib)},
	{"chunks of 8 MiB", 25 * mib, inChunks(8 * mib)},
	{"sha512, not announced", 17 * mib, func(u *upload, blob []byte) digest.Digest {
		u.patch(len(blob), request{body: blob})
		d := digest.SHA512.FromBytes(blob)
		u.put(d, request{})
		return d
	}},
	{"the client goes away behind a checkpoint", 67 * mib, func(u *upload, blob []byte) digest.Digest {
		u.ask(http.MethodPatch, u.location, request{body: blob[:66*mib], cut: true})
		u.rest(blob, 64*mib)
		return u.close(blob)
	}},
}

func docker(u *upload, blob []byte) digest.Digest {
	u.patch(len(blob), request{body: blob, chunked: true})
	return u.close(blob)
}

func inChunks(size int) func(*upload, []byte) digest.Digest {
	return func(u *upload, blob []byte) digest.Digest {
		for start := 0; start < len(blob); start += size {
			end := min(start+size, len(blob))
			u.patch(end, piece(blob, start, end))
		}
		u.stands(len(blob))
		return u.close(blob)
	}
}

func (u *upload) close(blob []byte) digest.Digest {
	u.next.Helper()
	d := digest.FromBytes(blob)
	u.put(d, request{})
	return d
}

// rest sends what is missing once so many bytes are durable. The node that the client was cut off from makes them so behind its back: until it is done, an
// attempt to go on may be told to begin elsewhere.
func (u *upload) rest(blob []byte, least int) {
	u.next.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.NewTimer(3*time.Minute)
	defer tick.Stop()
	defer end.Stop()
	for {
		a := u.next.ask(http.MethodGet, u.location, request{}).want(http.StatusNoContent)
		var last int
		if _, err := fmt.Sscanf(a.header.Get("Range"), "0-%d", &last); err != nil {
			u.next.Fatal(err)
		}
		if last+1 >= least {
			a = u.next.ask(http.MethodPatch, a.location(), piece(blob, last+1, len(blob)))
			if a.status != http.StatusRequestedRangeNotSatisfiable {
				u.location = a.want(http.StatusAccepted).has("Range", rangeTo(len(blob))).location()
				u.next, u.then = u.then, u.next
				return
			}
		}
		select {
		case <-tick.C:
		case <-end.C:
			u.next.Fatalf("%s: %q is durable, want %d bytes", a.what, a.header.Get("Range"), least)
		}
	}
}

// run goes this way, beginning at a.
func (w way) run(t *testing.T, a, b *side) {
	blob := noise(w.size, t.Name())
	u := begin(a, b, fmt.Sprintf("uploads/%d", w.size))
	d := w.push(u, blob)
	// A client whose answer was lost closes its upload once more, wherever.
	u.put(d, u.closed)
	u.put(d, u.closed)
	u.next.holds(u.repo, d, blob)
}

// TestUploads has each request of an upload answered by the other release than the one before. Each reads the tokens and checkpoints of the other.
func TestUploads(t *testing.T) {
	t.Parallel()
	c, old, now := sides(t)
	t.Run("push", func(t *testing.T) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) { both(t, old, now, way.run) })
		}
	})
	fsck(t, c.Store, newProgram(t))
}

// TestUploadsMeet: a client goes on from a token that is not the newest, or that is of no use any more, at the other release.
func TestUploadsMeet(t *testing.T) {
	t.Parallel()
	c, old, now := sides(t)
	t.Run("meet", func(t *testing.T) {
		both(t, old, now, func(t *testing.T, a, b *side) {
			repo := "meet/" + a.release
			blob := noise(36*mib, t.Name())

			u := begin(a, b, repo)
			first := u.location
			u.patch(18*mib, piece(blob, 0, 18*mib)) // b has it now
			// a does not know, and its client has lost the answer.
			a.ask(http.MethodPatch, first, piece(blob, 9*mib, 27*mib)).want(http.StatusRequestedRangeNotSatisfiable).has("Range", rangeTo(18*mib))
			u.location = a.ask(http.MethodGet, first, request{}).want(http.StatusNoContent).has("Range", rangeTo(18*mib)).location()
			stale := u.location
			u.next, u.then = a, b
			u.patch(36*mib, piece(blob, 18*mib, 36*mib))
			// Bytes that came already, behind the checkpoint that both have seen: the first one has the upload.
			b.ask(http.MethodPatch, stale, piece(blob, 18*mib, 36*mib)).want(http.StatusRequestedRangeNotSatisfiable).has("Range", rangeTo(36*mib))
			wrong := digest.FromString("not it")
			if got := b.ask(http.MethodPut, closing(u.location, wrong), request{}).want(http.StatusBadRequest); !strings.Contains(string(got.body), "DIGEST_INVALID") {
				t.Errorf("%s: %s", got.what, got.body)
			}
			u.next, u.then = a, b
			d := u.close(blob)
			b.holds(repo, d, blob)

			gone := begin(a, b, repo)
			gone.patch(17*mib, piece(blob, 0, 17*mib))
			gone.ask(http.MethodDelete, gone.location, request{}).want(http.StatusNoContent)
			for _, s := range []*side{a, b} {
				s.ask(http.MethodGet, gone.location, request{}).want(http.StatusNotFound)
				s.ask(http.MethodPatch, gone.location, piece(blob, 17*mib, 18*mib)).want(http.StatusNotFound)
			}
		})
	})
	fsck(t, c.Store, newProgram(t))
}
