//go:build stores

package facts

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

var _ Conn = (*redisconn.Conn)(nil)

// ample is for what shall not fail because the machine is busy.
const ample = time.Minute

// server is a Redis of a test's own.
type server struct{ *teststore.Process }

func startServer(t *testing.T) *server {
	t.Helper()
	process, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	return &server{process}
}

func (s *server) client(t *testing.T) redis.UniversalClient {
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr, ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 64, DialTimeout: ample, ReadTimeout: ample, WriteTimeout: ample, PoolTimeout: ample,
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// eventually waits for a condition that must come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(ample)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("this never came true: %s", what)
		}
		passes(5 * time.Millisecond)
	}
}

// passes returns when the time has passed.
func passes(d time.Duration) { <-time.After(d) }

var errCut = errors.New("cut off by the test")

// What may become of a call of Redis.
const (
	through = iota
	dropped // it fails, and never arrives
	lost    // it is carried out, and its answer is lost
	late    // it fails, and is carried out when somebody lets it
)

// conn is a way to Redis on which a call may come to grief.
type conn struct {
	client   redis.UniversalClient
	distrust atomic.Bool
	calls    atomic.Int64 // that began

	mu   sync.Mutex
	fate func(call int64) int // counted from 1; nil for through
	late []func()
}

func (c *conn) Trusted() bool { return !c.distrust.Load() }

func (c *conn) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	call, fate := c.calls.Add(1), through
	c.mu.Lock()
	if c.fate != nil {
		fate = c.fate(call)
	}
	if fate == late {
		c.late = append(c.late, func() { _ = fn(context.WithoutCancel(ctx), c.client) })
	}
	c.mu.Unlock()
	if fate == dropped || fate == late {
		return errCut
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	if err := fn(ctx, c.client); err != nil || fate == lost {
		return errors.Join(errCut, err)
	}
	return nil
}

func (c *conn) meets(fate func(call int64) int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fate = fate
}

// arrives carries out what is late.
func (c *conn) arrives() {
	c.mu.Lock()
	calls := c.late
	c.late = nil
	c.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// node is a process with a Facts and a way to Redis of its own. Its calls of Redis are not hurried, and it remembers for long, lest a busy machine looks
// like a broken Redis.
type node struct {
	*Facts
	conn *conn
}

func newNode(client redis.UniversalClient) *node {
	c := &conn{client: client}
	n := &node{New(c, Options{Namespace: "test"}), c}
	n.times.budget, n.times.life = ample, 10*ample
	return n
}

// version gives a fact whose version and value are a number. For zero there is none, and one that is gone is not known from one that was gone before.
func version(n int) storage.Fact {
	if n == 0 {
		return storage.Fact{Version: rand.Text()}
	}
	return storage.Fact{Version: strconv.Itoa(n), Value: []byte(strconv.Itoa(n))}
}

// fetches expects a value, and says whether the store was read for it.
func (n *node) fetches(t *testing.T, key string, want int, read func() storage.Fact) (wasRead bool) {
	t.Helper()
	value, err := n.Fetch(t.Context(), key, func(context.Context) (storage.Fact, error) {
		wasRead = true
		return read(), nil
	})
	if err != nil {
		t.Errorf("Fetch: %v", err)
	} else if string(value) != string(version(want).Value) {
		t.Errorf("Fetch gives %q, want %q", value, version(want).Value)
	}
	return wasRead
}

func always(n int) func() storage.Fact { return func() storage.Fact { return version(n) } }
