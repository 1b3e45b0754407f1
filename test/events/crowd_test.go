//go:build stores

package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
	"github.com/registryd/registryd/test/rawclient"
)

// crowd is many clients that push, through the proxy. Each request is sent once: what was not acknowledged is not tried again, and counts for nothing.
type crowd struct {
	*testing.T
	*ledger
	cluster *cluster.Cluster
	clients int
	think   time.Duration // of a client between two requests, at most
	acked   atomic.Int64  // pushes
}

const repositories = 4

func repositoryOf(i int) string { return fmt.Sprintf("team/app-%d", i%repositories) }

// begin makes the repositories ready, while all is well.
func (c *crowd) begin() {
	client := newClient(c)
	for i := range repositories {
		pushBlobs(c, client, c.cluster.Node(0).URL, repositoryOf(i))
	}
}

// run has all clients push until enough says so.
func (c *crowd) run(random *rand.Rand, enough func() bool) {
	var all sync.WaitGroup
	for i := range c.clients {
		mine := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		all.Go(func() {
			client := c.cluster.Client(cluster.RoundRobin)
			client.Timeout = rawclient.Patience
			var pushed []deed
			for n := 0; !enough() && c.Context().Err() == nil; n++ {
				pass(c.Context(), time.Duration(mine.Int64N(int64(c.think))))
				if d, ok := c.push(client, repositoryOf(i+n), fmt.Sprintf("v%d-%d", i, n), mine.IntN(8) > 0); ok {
					pushed = append(pushed, d)
				}
				if mine.IntN(16) == 0 && len(pushed) > 0 {
					k := mine.IntN(len(pushed))
					if c.remove(client, pushed[k], mine.IntN(2) == 0) {
						pushed = append(pushed[:k], pushed[k+1:]...)
					}
				}
			}
		})
	}
	all.Wait()
}

// push says whether the push was acknowledged.
func (c *crowd) push(client *http.Client, repository, tag string, byTag bool) (deed, bool) {
	content := manifest(c, tag)
	d := pushOf(repository, tag, content)
	if !byTag {
		d.tag = ""
	}
	c.tries(d)
	if !c.asks(client, http.MethodPut, d, content, http.StatusCreated) {
		return d, false
	}
	c.ledger.acks(d)
	c.acked.Add(1)
	return d, true
}

// remove undoes a push whose event has arrived. Of one that is undone before, the relay has to wait some minutes until it may say that there was one: what is
// left of it does not tell that from a push that is still under way.
func (c *crowd) remove(client *http.Client, push deed, byTag bool) bool {
	if !c.heard(push) {
		return false
	}
	c.dooms(push)
	d := deed{action: "delete", repository: push.repository, digest: push.digest}
	if byTag && push.tag != "" {
		d.tag, d.digest = push.tag, ""
	}
	c.tries(d)
	if c.asks(client, http.MethodDelete, d, nil, http.StatusAccepted) {
		c.ledger.acks(d)
	}
	return true
}

// asks says whether the answer is the one that acknowledges. A node that dies breaks connections off; one that cannot answers 503; all else is a mistake.
func (c *crowd) asks(client *http.Client, method string, d deed, body []byte, want int) bool {
	ctx, cancel := context.WithTimeout(c.Context(), rawclient.Patience)
	defer cancel()
	a, err := rawclient.Send(ctx, client, method, c.cluster.URL+"/v2/"+d.repository+"/manifests/"+d.reference(), body)
	if err != nil || a.Status == http.StatusServiceUnavailable {
		return false
	}
	if got := a.Header.Get("Docker-Content-Digest"); method == http.MethodPut && a.Status == want && got != digest.FromBytes(body).String() {
		c.mistake(fmt.Sprintf("%s %s was answered with the digest %q", method, d.reference(), got))
	}
	if a.Status != want {
		c.mistake(fmt.Sprintf("%s %s: status %d: %.200s", method, d.reference(), a.Status, a.Body))
	}
	return a.Status == want
}
