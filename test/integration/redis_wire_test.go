//go:build stores

package integration_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/internal/uploadtoken"
)

func init() {
	byRedis = func(t *testing.T) setting { return newTellers(t, teststore.Redis(t)).node() }
}

// tellers are nodes that tell each other of uploads through one Redis.
type tellers struct {
	*testing.T
	addr      string
	namespace string
}

func newTellers(t *testing.T, addr string) *tellers { return &tellers{t, addr, rand.Text()} }

// node is the setting of one of them.
func (c *tellers) node() setting {
	s, _ := c.wire()
	return s
}

// wire gives a node, and its way to Redis.
func (c *tellers) wire() (setting, *wire) {
	c.Helper()
	conn, err := redisconn.Open(redisconn.Config{Addrs: []string{c.addr}, ReadTimeout: soon, WriteTimeout: soon}, redisconn.Options{})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = conn.Close() })
	w := &wire{Conn: conn, test: c.Context(), last: time.Now()}
	return func(s *setup) {
		s.tokens = func(p uploadtoken.Provider) uploadtoken.Provider {
			return uploadtoken.NewRedis(p.(*uploadtoken.HMAC), w, uploadtoken.RedisOptions{Namespace: c.namespace, Instance: "node"})
		}
	}, w
}

// wire is a way to Redis that can be cut. It asks with more patience than a node has: a machine that has much to do is not a Redis that is away.
type wire struct {
	*redisconn.Conn
	mortal bool            // Redis may die
	test   context.Context // ends with the test

	uses sync.RWMutex // held for reading while something is asked
	cut  bool

	mu   sync.Mutex
	last time.Time     // when the last answer was asked for
	gap  time.Duration // the longest time between two of those
}

func (w *wire) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	w.uses.RLock()
	defer w.uses.RUnlock()
	if w.cut {
		return redisconn.ErrAway
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(soon); ; {
		asked := time.Now()
		err := w.Conn.Do(ctx, 200*budget, fn)
		if err == nil {
			w.answered(asked)
		}
		if w.mortal || !errors.Is(err, redisconn.ErrAway) || w.test.Err() != nil || time.Now().After(end) {
			return err
		}
		<-again.C
	}
}

// set cuts the wire or mends it. When it returns, nothing that was asked before is under way.
func (w *wire) set(cut bool) {
	w.uses.Lock()
	defer w.uses.Unlock()
	w.cut = cut
}

func (w *wire) answered(asked time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gap, w.last = max(w.gap, asked.Sub(w.last)), asked
}

// silence is for how long the node, at the worst, did not speak with Redis since this was last asked: one that has a claim does so twice a second.
func (w *wire) silence() time.Duration {
	w.answered(time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	gap := w.gap
	w.gap = 0
	return gap
}

// twoNodes are a store that stores 64 KiB at a time, and two nodes on it.
func twoNodes(t *testing.T) (fake *drivertest.Fake, a, b *registry, wireOfA *wire) {
	t.Helper()
	cluster := newTellers(t, teststore.Redis(t))
	fake = drivertest.NewFake(t)
	fake.PartSize = 64 * kib
	setA, wireOfA := cluster.wire()
	return fake, start(t, fake, setA), start(t, fake, cluster.node()), wireOfA
}

// standing is a PATCH that stands still in the middle of its body.
type standing struct {
	more *io.PipeWriter
	done chan *answer // nil if the request failed
}

// stand begins a PATCH and waits until what it sent is known to the other node, up to a whole number of parts.
func stand(a, b *registry, location string, content []byte) *standing {
	a.Helper()
	out, in := io.Pipe()
	s := &standing{more: in, done: make(chan *answer, 1)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		got, err := a.try("PATCH", a.url+location, func(r *http.Request) { r.Body, r.ContentLength = out, -1 })
		if err != nil {
			a.Logf("the PATCH that stood still: %v", err)
			got = nil
		}
		s.done <- got
	}()
	a.Cleanup(func() {
		_ = in.CloseWithError(io.ErrUnexpectedEOF)
		<-over
	})
	if _, err := in.Write(content); err != nil {
		a.Fatal(err)
	}
	want := standsAt(len(content) / (64 * kib) * 64 * kib)
	until(a.T, "the other node knows of "+want, func() bool {
		return b.do("GET", b.url+location).want(http.StatusNoContent).header.Get("Range") == want
	})
	return s
}

// ends waits for the answer.
func (s *standing) ends(t *testing.T) *answer {
	t.Helper()
	a := comes(t, "the PATCH that stood still comes to an end", s.done)
	if a == nil {
		t.Fatal("the PATCH that stood still has no answer")
	}
	return a
}

func standsAt(n int) string { return fmt.Sprintf("0-%d", max(n-1, 0)) }

// aliveFor is for how long a node that does not speak with Redis is taken to be alive by others, for sure: claims stand for two seconds, and are renewed
// twice a second.
const aliveFor = 1400 * time.Millisecond
