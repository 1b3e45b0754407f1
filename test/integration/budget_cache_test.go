//go:build stores

package integration_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync/atomic"
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
	conn      *unhurried
	namespace string
}

// long is what the second is stretched to for which nodes remember together: the figures are for what happens within it, and what fits into a second is for
// each machine another thing.
const long = 10 * time.Minute

// stretch is a hook that has Redis keep for long what it was to keep for a second.
type stretch struct{}

func (stretch) DialHook(next redis.DialHook) redis.DialHook { return next }
func (stretch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (stretch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); len(args) > 4 && args[len(args)-1] == time.Second.Milliseconds() { // the script that leaves a lease
			args[len(args)-1] = long.Milliseconds()
		}
		return next(ctx, cmd)
	}
}

// unhurried asks Redis with more patience than a node has, and knows when even that was not enough.
type unhurried struct {
	*redisconn.Conn
	failed atomic.Bool
}

func (u *unhurried) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	err := u.Conn.Do(ctx, 200*budget, fn)
	if err != nil {
		u.failed.Store(true)
	}
	return err
}

func (u *unhurried) Trusted() bool {
	trusted := u.Conn.Trusted()
	if !trusted {
		u.failed.Store(true)
	}
	return trusted
}

// newCommon meets a Redis, and waits until it is trusted.
func newCommon(m *metered) *common {
	m.Helper()
	open := func() *redis.Client {
		return redis.NewClient(&redis.Options{Addr: teststore.Redis(m.T), ReadTimeout: soon})
	}
	client := open()
	client.AddHook(stretch{})
	c := &common{metered: m, client: open(), conn: &unhurried{Conn: redisconn.New(client, redisconn.Options{})}, namespace: rand.Text()}
	m.Cleanup(func() { _, _ = c.client.Close(), c.conn.Close() })
	c.ready()
	return c
}

// ready waits until Redis is trusted.
func (c *common) ready() {
	c.Helper()
	until(c.T, "Redis is trusted", func() bool {
		err := c.conn.Do(c.Context(), time.Second, func(ctx context.Context, client redis.UniversalClient) error { return client.Ping(ctx).Err() })
		return err == nil && c.conn.Trusted()
	})
	c.conn.failed.Store(false)
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

// within is costs for what follows something within the second. Where Redis did not answer in time, both are done again: an answer that takes a second is
// not believed.
func (c *common) within(what string, atMost int, first, then func()) {
	c.Helper()
	for range 20 {
		c.ready()
		c.forget()
		first()
		start := time.Now()
		got, wire := c.measure(then)
		if fast := time.Since(start) < 900*time.Millisecond; !c.conn.failed.Load() && (fast || got.requests()-got.retries <= atMost) {
			c.judge(what, atMost, got, wire)
			return
		}
	}
	c.Fatalf("%s: Redis never answered in time", what)
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
