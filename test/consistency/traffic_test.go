//go:build stores

package consistency_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/test/rawclient"
)

// load is how much traffic there is on the tags.
type load struct {
	seed     uint64
	duration time.Duration
	readers  int
	writers  int           // four of five requests are pushes, the others deletions
	tags     int           // at once
	turn     time.Duration // after which the tags are others, so that no history is too long to be checked
	pause    time.Duration // of a writer between two requests, at most
}

// traffic is many clients that push, delete and read a few tags through all nodes, and note what they did and saw.
type traffic struct {
	*testing.T
	load
	nodes   []string // URLs
	repo    string
	history *history
	client  *http.Client
	pushed  atomic.Int64
	config  []byte

	mu   sync.Mutex
	used map[string]bool
	seen map[string]int
}

func newTraffic(t *testing.T, l load, nodes ...string) *traffic {
	t.Helper()
	c := &traffic{
		T: t, load: l, nodes: nodes, repo: "team/app", history: newHistory(), client: rawclient.New(t, l.readers+l.writers),
		used: map[string]bool{}, seen: map[string]int{}, config: []byte(`{"architecture":"amd64","os":"linux"}`),
	}
	target := nodes[0] + "/v2/" + c.repo + "/blobs/uploads/?digest=" + digest.FromBytes(c.config).String()
	var a rawclient.Answer
	var err error
	for range 5 { // the store may fail
		if a, err = c.send(http.MethodPost, target, c.config); err == nil && a.Status == http.StatusCreated {
			return c
		}
	}
	t.Fatalf("push a config: %v, status %d", err, a.Status)
	return nil
}

// run sends requests until the time is over and all are answered; then, when the caller has repaired everything, each node is asked for each tag.
func (c *traffic) run(repair func()) {
	ctx, cancel := context.WithTimeout(c.Context(), c.duration)
	defer cancel()
	var group sync.WaitGroup
	for i := range c.readers {
		group.Go(func() { c.each(ctx, i, c.read) })
	}
	for i := range c.writers {
		group.Go(func() { c.each(ctx, c.readers+i, c.write) })
	}
	group.Wait()
	if repair != nil {
		repair()
	}
	for tag := range c.used {
		for _, node := range c.nodes {
			c.find(c.readers+c.writers, http.MethodGet, node, tag)
		}
	}
	c.Logf("%s: %s", c.Name(), c.history.count())
}

// each has a client of its own random choices do something again and again.
func (c *traffic) each(ctx context.Context, client int, do func(client int, random *rand.Rand, tag string)) {
	random := rand.New(rand.NewPCG(c.seed, uint64(client)))
	for ctx.Err() == nil {
		turn := time.Since(c.history.start) / c.turn
		tag := fmt.Sprintf("tag%d-%d-%d", random.IntN(c.tags), c.seed, turn)
		c.mu.Lock()
		c.used[tag] = true
		c.mu.Unlock()
		do(client, random, tag)
	}
}

// read stays at one node, so that those who read at a slow one do not all wait there.
func (c *traffic) read(client int, random *rand.Rand, tag string) {
	c.find(client, []string{http.MethodGet, http.MethodHead}[random.IntN(2)], c.nodes[client%len(c.nodes)], tag)
}

// find asks one node where a tag points. A read without an answer says nothing.
func (c *traffic) find(client int, method, node, tag string) {
	call := c.history.now()
	a, err := c.send(method, c.target(node, tag), nil)
	back := c.history.now()
	if err != nil || !c.expects(method, a, http.StatusOK, http.StatusNotFound) {
		return
	}
	d := digest.Digest(a.Header.Get("Docker-Content-Digest"))
	switch {
	case a.Status == http.StatusNotFound:
		d = ""
	case d.Validate() != nil:
		c.Errorf("%s of %s: Docker-Content-Digest is %q", method, tag, d)
	case method == http.MethodGet && digest.FromBytes(a.Body) != d:
		c.Errorf("%s of %s: %s comes with a body of %s", method, tag, d, digest.FromBytes(a.Body))
	}
	c.history.add(client, call, back, step{tag, finds, d, c.saying(method, node, short(d))})
}

func (c *traffic) write(client int, random *rand.Rand, tag string) {
	node := c.nodes[random.IntN(len(c.nodes))]
	if random.IntN(5) == 0 {
		c.remove(client, node, tag)
	} else {
		c.push(client, node, tag)
	}
	if c.pause > 0 {
		<-time.After(time.Duration(random.Int64N(int64(c.pause))))
	}
}

// push points a tag at a manifest that there never was before.
func (c *traffic) push(client int, node, tag string) {
	content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[],"annotations":{"number":"%d"}}`,
		v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, digest.FromBytes(c.config), len(c.config), c.pushed.Add(1))
	d := digest.FromBytes(content)
	call := c.history.now()
	a, err := c.send(http.MethodPut, c.target(node, tag), content)
	back := c.history.now()
	if err != nil || !c.expects(http.MethodPut, a, http.StatusCreated) {
		back = unknown
	}
	c.history.add(client, call, back, step{tag, sets, d, c.saying(http.MethodPut, node, short(d))})
}

// remove takes a tag away. Of two that do so at once, each may be told that it did: it saw the tag, and the tag was gone when it was answered.
func (c *traffic) remove(client int, node, tag string) {
	call := c.history.now()
	a, err := c.send(http.MethodDelete, c.target(node, tag), nil)
	back := c.history.now()
	what := c.saying(http.MethodDelete, node, "")
	switch {
	case err != nil || !c.expects(http.MethodDelete, a, http.StatusAccepted, http.StatusNotFound):
		c.history.add(client, call, unknown, step{tag: tag, effect: removes, what: what + "no answer"})
	case a.Status == http.StatusNotFound:
		c.history.add(client, call, back, step{tag: tag, effect: finds, what: what + "none"})
	default:
		c.history.add(client, call, back, step{tag: tag, effect: exists, what: what + "there"}, step{tag: tag, effect: removes, what: what + "done"})
	}
}

func (c *traffic) target(node, tag string) string {
	return node + "/v2/" + c.repo + "/manifests/" + tag
}

func (c *traffic) saying(method, node, digest string) string {
	return fmt.Sprintf("%s at %d: %s", method, slices.Index(c.nodes, node)+1, digest)
}

// expects says whether the answer is one of those that tell how it went. The only other one that a node may give is to come back later.
func (c *traffic) expects(method string, a rawclient.Answer, statuses ...int) bool {
	if slices.Contains(statuses, a.Status) {
		return true
	}
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		c.Errorf("%s: status %d: %.300s", method, a.Status, a.Body)
	}
	return false
}

func (c *traffic) send(method, target string, body []byte) (rawclient.Answer, error) {
	a, err := rawclient.Send(c.Context(), c.client, method, target, body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.seen[method+" cut off"]++
	} else {
		c.seen[fmt.Sprintf("%s %d", method, a.Status)]++
	}
	return a, err
}
