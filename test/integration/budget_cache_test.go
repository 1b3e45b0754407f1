//go:build stores

package integration_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/facts"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/teststore"
)

// alone is a node that remembers what does not change, without Redis.
func alone(s *setup) { s.storage.CacheBytes = 16 * mib }

// common is what some nodes remember together.
type common struct {
	*metered
	client    redis.UniversalClient
	conn      *redisconn.Conn
	namespace string
}

// newCommon meets a Redis, and waits until it is trusted.
func newCommon(m *metered) *common {
	m.Helper()
	open := func() redis.UniversalClient { return redis.NewClient(&redis.Options{Addr: teststore.Redis(m.T)}) }
	c := &common{metered: m, client: open(), conn: redisconn.New(open(), redisconn.Options{}), namespace: rand.Text()}
	m.Cleanup(func() { _, _ = c.client.Close(), c.conn.Close() })
	ctx, cancel := context.WithTimeout(m.Context(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		err := c.conn.Do(ctx, time.Second, func(ctx context.Context, client redis.UniversalClient) error { return client.Ping(ctx).Err() })
		if err == nil && c.conn.Trusted() {
			return c
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			m.Fatal("Redis was not trusted in time: ", err)
		}
	}
}

// node is one that remembers together with the others, and alone.
func (c *common) node() *registry {
	c.Helper()
	return c.metered.node(alone, func(s *setup) { s.storage.Facts = facts.New(c.conn, facts.Options{Namespace: c.namespace}) })
}

// forget makes the second be over for all that the nodes remember together.
func (c *common) forget() {
	c.Helper()
	keys := c.client.Scan(c.Context(), 0, c.namespace+":*", 1000).Iterator()
	for keys.Next(c.Context()) {
		if err := c.client.Del(c.Context(), keys.Val()).Err(); err != nil {
			c.Fatal(err)
		}
	}
	if err := keys.Err(); err != nil {
		c.Fatal(err)
	}
}

// within is costs for what follows something within a second. Where the machine was not that fast, both are done again.
func (c *common) within(what string, atMost int, first, then func()) {
	c.Helper()
	for range 20 {
		c.forget()
		start := time.Now()
		first()
		got, wire := c.measure(then)
		if time.Since(start) < 900*time.Millisecond {
			c.judge(what, atMost, got, wire)
			return
		}
	}
	c.Fatalf("%s: it never took less than a second", what)
}

// TestBudgetWarm: what a node reads a second time. "Warm" is a node that remembers what does not change; with Redis, it remembers the rest for a second.
func TestBudgetWarm(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	pusher := m.node()
	manifest := pusher.imageOf("a", 3, 1)
	pusher.put("a", "latest", v1.MediaTypeImageManifest, manifest).want(http.StatusCreated)
	large, small := noise(100*kib, 1), noise(64*kib, 2)
	pusher.pushBlob("a", large)
	pusher.pushBlob("a", small)
	c := newCommon(m)
	for _, op := range []struct {
		method, target        string
		cold, warm, hot, solo int // hot: within the second; solo: warm without Redis
		content               []byte
	}{
		{"GET", "/v2/a/manifests/latest", 2, 1, 0, 1, manifest},
		{"HEAD", "/v2/a/manifests/latest", 1, 1, 0, 1, nil},
		{"GET", "/v2/a/manifests/" + sha256(manifest).String(), 2, 1, 0, 1, manifest},
		{"HEAD", "/v2/a/manifests/" + sha256(manifest).String(), 1, 1, 0, 1, nil},
		{"GET", "/v2/a/blobs/" + sha256(large).String(), 3, 2, 1, 2, large},
		{"HEAD", "/v2/a/blobs/" + sha256(large).String(), 2, 1, 0, 1, nil},
		{"GET", "/v2/a/blobs/" + sha256(small).String(), 2, 1, 0, 1, small},
		{"HEAD", "/v2/a/blobs/" + sha256(small).String(), 2, 1, 0, 1, nil},
	} {
		ask := func(node *registry) func() {
			return func() { node.do(op.method, op.target).want(http.StatusOK).is(op.content) }
		}
		what := fmt.Sprintf("%s %.20s (%d bytes), ", op.method, op.target, len(op.content))
		c.forget()
		node, other, lonely := c.node(), c.node(), m.node(alone)
		m.costs(what+"cold", op.cold, ask(node))
		ask(other)()
		c.forget()
		m.costs(what+"warm", op.warm, ask(node))
		c.within(what+"within the second", op.hot, ask(node), ask(node))
		c.within(what+"within the second, another node", op.hot, ask(node), ask(other))
		m.costs(what+"cold, without Redis", op.cold, ask(lonely))
		m.costs(what+"warm, without Redis", op.solo, ask(lonely))
	}
}

// TestBudgetWarmMount: of a mount only the new link is left.
func TestBudgetWarmMount(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	large := noise(100*kib, 1)
	m.node().pushBlob("a", large)
	c := newCommon(m)
	repositories := 0
	mount := func(node *registry) func() {
		return func() {
			repositories++
			node.do("POST", fmt.Sprintf("/v2/b%d/blobs/uploads/?from=a&mount=%s", repositories, sha256(large))).want(http.StatusCreated)
		}
	}
	node, lonely := c.node(), m.node(alone)
	m.costs("a mount, cold", 3, mount(node))
	c.within("a mount, warm", 1, mount(node), mount(node))
	m.costs("a mount, cold, without Redis", 3, mount(lonely))
	m.costs("a mount, warm, without Redis", 2, mount(lonely))
	for i := range repositories {
		node.holds(fmt.Sprintf("b%d", i+1), sha256(large), large)
	}
}

// TestBudgetWarmPush: the table allows 6 + c where the links are remembered. A node that has seen the
// blobs lately needs none of the c.
func TestBudgetWarmPush(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	c := newCommon(m)
	for _, blobs := range []int{1, 12} {
		name, seed := fmt.Sprintf("repo%d", blobs), uint64(0)
		node, lonely := c.node(), m.node(alone)
		var manifest []byte
		for _, r := range []*registry{node, lonely} { // the catalog leaf
			r.put(name, "0", v1.MediaTypeImageManifest, r.imageOf(name, blobs, 0)).want(http.StatusCreated)
		}
		image := func(r *registry) func() {
			return func() { seed++; manifest = r.imageOf(name, blobs, seed) }
		}
		push := func(r *registry) func() {
			return func() { r.put(name, "latest", v1.MediaTypeImageManifest, manifest).want(http.StatusCreated) }
		}
		c.within(fmt.Sprintf("a manifest, %d blobs pushed just now", blobs), 6, image(node), push(node))
		c.within(fmt.Sprintf("a manifest, %d blobs pushed just now by way of another node", blobs), 6+blobs, image(c.node()), push(node))
		image(lonely)()
		m.costs(fmt.Sprintf("a manifest, %d blobs, without Redis", blobs), 6+blobs, push(lonely))
		image(m.node())()
		m.costs(fmt.Sprintf("a manifest, %d blobs, cold", blobs), 6+2*blobs, push(lonely))
		node.serves(name, "latest", v1.MediaTypeImageManifest, sha256(manifest), manifest)
	}
}
