//go:build stores

package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

// pauseMore is how many bytes follow the place at which a node is paused.
const pauseMore = 40 * mib

// TestClusterPause stops a node in the middle of a PATCH, with SIGSTOP. The client goes on at another node; then the first node wakes up, and with it the
// client's first request: with the same bytes or with others, when the upload was closed already or while both send.
func TestClusterPause(t *testing.T) {
	t.Parallel()
	for _, by := range carriers {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			opts := by.opts
			opts.Env = []string{"REGISTRY_HTTP_TIMEOUTS_BODY=30m"} // a request of a node that sleeps waits for its client all the while
			c := cluster.Start(t, opts)
			for i, place := range []int64{20 * mib, 71 * mib, 130 * mib} {
				for j, same := range []bool{true, false} {
					for k, late := range []bool{true, false} {
						what := fmt.Sprintf("at %d MiB, same bytes: %t, closed before it wakes: %t", place/mib, same, late)
						t.Run(what, func(t *testing.T) { pause(t, c, 4*i+2*j+k, place, same, late) })
					}
				}
			}
			c.Check(t)
		})
	}
}

// pause runs round i. Whoever is told 201, all of them must have been told it of one digest.
func pause(t *testing.T, c *cluster.Cluster, i int, place int64, same, late bool) {
	sleeper, name := c.Node(i%3), fmt.Sprintf("pause/repo%d", i)
	first, second, third := at(t, sleeper), at(t, c.Node((i+1)%3)), at(t, c.Node((i+2)%3))
	content, end := sequence{phase: int64(i)*104_729 + 7}, place+pauseMore
	theirs := content
	if !same {
		theirs.phase += 1_000_003
	}
	firstBody := func() io.Reader { return io.MultiReader(content.part(0, place), theirs.part(place, end)) }
	other, err := digest.SHA256.FromReader(firstBody())
	if err != nil {
		t.Fatal(err)
	}
	mine := content.digest(end)
	location := third.begin(name)

	paused, awake := make(chan struct{}), make(chan struct{})
	answered := make(chan []digest.Digest, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		body := &trap{Reader: firstBody(), left: place, spring: func() { close(paused); <-awake }}
		answered <- first.claim(location, body, other, mine)
	}()
	wake := sync.OnceFunc(func() { sleeper.Resume(); close(awake) })
	defer func() { wake(); <-over }() // the next round needs the node, whatever came of this one
	select {
	case <-paused:
	case <-over:
		t.Fatal("the first request ended before it was paused")
	}
	sleeper.Pause()
	var created []digest.Digest
	if late {
		off, next := second.resume(location, content, end)
		if off > place {
			t.Errorf("the upload stands at %d of %d bytes that were sent", off, place)
		}
		third.do(http.MethodPut, closing(third.url+next, mine)).want(http.StatusCreated)
		created = append(created, mine)
		wake()
	} else {
		status := second.do(http.MethodGet, second.url+location).want(http.StatusNoContent)
		off := status.offset()
		wake()
		created = second.claim(status.location(), content.part(off, end), mine)
	}
	created = append(created, <-answered...)
	// Two that send at once may each take it out of the other's hands, and both give up. Then whoever goes on from its status ends it; only if they have sent
	// other bytes, what is there may be nobody's blob.
	for deadline := time.Now().Add(resumeTime); len(created) == 0; {
		status := third.do(http.MethodGet, third.url+location).want(http.StatusNoContent)
		created = third.claim(status.location(), content.part(status.offset(), end), mine, other)
		t.Logf("both gave up at %d of %d bytes; then %d blobs were made", status.offset(), end, len(created))
		if !same || time.Now().After(deadline) { // else it may have been told that one of the two is still at it
			break
		}
	}
	slices.Sort(created)
	if created = slices.Compact(created); len(created) > 1 || len(created) == 0 && same {
		t.Errorf("201 was answered for %d blobs of one upload: %s", len(created), created)
	}
	for _, d := range created {
		third.do(http.MethodHead, "/v2/"+name+"/blobs/"+d.String()).want(http.StatusOK).has("Content-Length", fmt.Sprint(end))
	}
}

// claim sends the rest of an upload and tries to close it, at every Location it knows and with every digest it may have, as no honest client would. It gives
// the digests for which it was told 201. It may run beside the test.
func (r *registry) claim(location string, rest io.Reader, digests ...digest.Digest) (created []digest.Digest) {
	locations := []string{location}
	a, err := r.try(http.MethodPatch, r.url+location, reading(rest))
	switch {
	case err != nil: // cut off while it was sending: the node has said something before it had all
	case a.status != http.StatusAccepted && a.status != http.StatusRequestedRangeNotSatisfiable && a.status != http.StatusNotFound:
		r.Errorf("PATCH: %d %s", a.status, a.body)
	case a.header.Get("Location") != "":
		locations = append([]string{a.header.Get("Location")}, locations...)
	}
	for _, location := range locations {
		for _, d := range digests {
			a, err := r.try(http.MethodPut, closing(r.url+location, d))
			if err != nil {
				r.Errorf("PUT: %v", err)
			} else if a.status == http.StatusCreated {
				created = append(created, d)
			} else if a.status/100 != 4 {
				r.Errorf("PUT: %d %s", a.status, a.body)
			}
		}
	}
	return created
}
