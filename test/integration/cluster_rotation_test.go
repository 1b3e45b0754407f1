//go:build stores

package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

// TestClusterRotation changes the secret of a running cluster as the documentation tells, one node after the other, while clients push. No upload fails. As
// behind any balancer, a node takes requests for a while after it was told to stop.
func TestClusterRotation(t *testing.T) {
	t.Parallel()
	const before, after = "the secret that has been in use for long", "the secret that takes its place"
	secrets := func(list ...string) []string {
		return []string{"REGISTRY_HTTP_DRAINDELAY=1s", "REGISTRY_HTTP_SECRET=", "REGISTRY_HTTP_SECRETS=" + strings.Join(list, ",")}
	}
	c := cluster.Start(t, cluster.Options{Env: secrets(before)})
	clients := startUploaders(t, c, 4)
	for _, phase := range [][]string{{before, after}, {after, before}, {after}} {
		clients.renewed(t) // no token of the phase before the last one is under way any more
		for _, n := range c.Nodes() {
			n.Out()
			stop, cancel := context.WithTimeout(t.Context(), soon)
			if err := n.Stop(stop); err != nil {
				t.Error(err)
			}
			cancel()
			n.Start(secrets(phase...)...)
			n.In()
		}
	}
	clients.renewed(t)
	t.Logf("%d uploads while the secret was changed, none of which failed", clients.stop())
	c.Check(t)

	// The old secret is worth nothing now.
	c.Node(0).Out()
	stop, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := c.Node(0).Stop(stop); err != nil {
		t.Error(err)
	}
	c.Node(0).Start(secrets(before)...)
	old := through(t, c, cluster.Pin(0))
	location := old.do("POST", "/v2/some/repo/blobs/uploads/").want(http.StatusAccepted).location()
	now := through(t, c, cluster.Pin(1))
	now.do("GET", location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// uploaders are clients that upload one blob after the other, in chunks, each to another node.
type uploaders struct {
	ended   atomic.Bool
	rounds  []atomic.Int64 // uploads that each has finished
	running sync.WaitGroup
	moved   chan struct{} // has something when one was finished
}

func startUploaders(t *testing.T, c *cluster.Cluster, n int) *uploaders {
	p := &uploaders{rounds: make([]atomic.Int64, n), moved: make(chan struct{}, 1)}
	for i := range n {
		r := through(t, c, cluster.RoundRobin)
		p.running.Go(func() {
			for !p.ended.Load() && !t.Failed() {
				p.push(r, fmt.Sprintf("uploader%d", i), noise(300*kib, uint64(i)<<32+uint64(p.rounds[i].Load())))
				p.rounds[i].Add(1)
				select {
				case p.moved <- struct{}{}:
				default:
				}
			}
		})
	}
	t.Cleanup(func() { p.stop() })
	return p
}

// push uploads in three chunks. A request that a node on its way out did not take is not tried again: there is none.
func (p *uploaders) push(r *registry, name string, content []byte) {
	ask := func(status int, method, target string, options ...option) (location string) {
		a, err := r.try(method, target, options...)
		if err != nil {
			r.Error(err)
			return ""
		}
		if a.status != status {
			r.Errorf("%s: %d %s", a.what, a.status, a.body)
			return ""
		}
		return a.header.Get("Location")
	}
	location := ask(http.StatusAccepted, "POST", "/v2/"+name+"/blobs/uploads/")
	for third := range 3 {
		if location == "" {
			return
		}
		start, end := third*len(content)/3, (third+1)*len(content)/3
		location = ask(http.StatusAccepted, "PATCH", location, body(content[start:end]), contentRange(fmt.Sprintf("%d-%d", start, end-1)))
	}
	if location != "" {
		ask(http.StatusCreated, "PUT", closing(location, digest.FromBytes(content)))
	}
}

// renewed waits until each client has finished an upload that it began from now on.
func (p *uploaders) renewed(t *testing.T) {
	t.Helper()
	then := make([]int64, len(p.rounds))
	for i := range p.rounds {
		then[i] = p.rounds[i].Load()
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for i := range p.rounds {
		for p.rounds[i].Load() < then[i]+2 {
			if t.Failed() {
				t.FailNow()
			}
			select {
			case <-p.moved:
			case <-deadline.C:
				t.Fatal("the clients stand still")
			}
		}
	}
}

// stop says how many uploads there were.
func (p *uploaders) stop() (uploads int64) {
	p.ended.Store(true)
	p.running.Wait()
	for i := range p.rounds {
		uploads += p.rounds[i].Load()
	}
	return uploads
}
