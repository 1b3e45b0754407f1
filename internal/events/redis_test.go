//go:build stores

package events

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

var _ Conn = (*redisconn.Conn)(nil)

// startRedis runs a Redis that the test may harm.
func startRedis(t testing.TB) *teststore.Process {
	t.Helper()
	p, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// connect opens a way to it, and waits until it works.
func connect(t testing.TB, addr string) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.Open(redisconn.Config{Addrs: []string{addr}}, redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	eventually(t, "Redis answers", func() bool { return conn.Health(t.Context()) == nil && conn.Up() })
	return conn
}

// client is for what a test itself does to Redis.
func client(t testing.TB, addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

// empty expects that nothing is left in Redis of events that are over.
func empty(t *testing.T, c *redis.Client, endpoints ...string) {
	t.Helper()
	for _, e := range endpoints {
		const root = "{test:events}:"
		for what, n := range map[string]int64{
			"stream": c.XLen(t.Context(), root+"q:"+e).Val(), "later": c.ZCard(t.Context(), root+"later:"+e).Val(),
			"tries": c.HLen(t.Context(), root+"tries:"+e).Val(), "open": c.ZCard(t.Context(), root+"open:"+e).Val(),
		} {
			if n != 0 {
				t.Errorf("%d are left in %s of %s", n, what, e)
			}
		}
	}
	if keys := c.Keys(t.Context(), "{test:events}:event:*").Val(); len(keys) != 0 {
		t.Errorf("%d entries are left", len(keys))
	}
}

// cluster is what nodes have in common.
func cluster(t testing.TB, j Registry, addr string, endpoints ...*Endpoint) func() Settings {
	return func() Settings {
		return Settings{Registry: j, Conn: connect(t, addr), Namespace: "test", Endpoints: endpoints}
	}
}

// TestQueue: three nodes deliver what one was told of, each event once to each endpoint, and nothing stays behind.
func TestQueue(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	one, two := newSink(t, Options{Name: "one"}), newSink(t, Options{Name: "two", Include: []string{"wanted"}})
	settings := steadyCluster(t, j, server.Addr, one.Endpoint, two.Endpoint)
	nodes := []*running{run(t, settings(), unhurried), run(t, settings(), unhurried), run(t, settings(), unhurried)}
	for i := range 500 {
		nodes[i%3].Committed(j.push(t, []reference.Name{"wanted", "other"}[i%2], 0, tag(i), "latest"))
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	for s, want := range map[*sink]int{one: 1000, two: 500} {
		if different, all := s.took(); different != want || all != want {
			t.Errorf("%s took %d events, %d of them different; want %d", s.Endpoint, all, different, want)
		}
	}
	empty(t, client(t, server.Addr), "one", "two")
}

// TestEnqueueAgain: an entry that is queued or delivered is not queued again.
func TestEnqueueAgain(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{})
	e := run(t, steadyCluster(t, j, server.Addr, s.Endpoint)(), unhurried)
	entry := j.push(t, "some/repo", time.Hour, "a")
	for range 10 {
		e.Committed(entry)
	}
	eventually(t, "it is settled", func() bool { return j.left() == 0 })
	e.Committed(entry)
	later := j.push(t, "some/repo", 0, "b")
	e.Committed(later)
	eventually(t, "the next one is delivered", func() bool { return s.has(later) })
	if _, all := s.took(); all != 2 {
		t.Errorf("the endpoint got %d events, want 2", all)
	}
}

// TestQueueOrdered: three nodes, and still one event of a repository after the other, also when the node that sends stops.
func TestQueueOrdered(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{Ordered: true, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Threshold: 1000})
	var n atomic.Int32
	s.answers(func([]Event) int {
		if n.Add(1)%10 == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	settings := steadyCluster(t, j, server.Addr, s.Endpoint)
	nodes := []*running{run(t, settings(), unhurried), run(t, settings(), unhurried), run(t, settings(), unhurried)}
	for i := range 400 {
		for _, repository := range []reference.Name{"a", "b"} {
			nodes[0].Committed(j.push(t, repository, 0, tag(i)))
		}
		if i == 200 {
			eventually(t, "some are delivered", func() bool { n, _ := s.took(); return n > 100 })
			nodes[1].stop()
		}
	}
	eventually(t, "half is delivered", func() bool { n, _ := s.took(); return n > 400 })
	nodes[2].stop()
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	inOrder(t, s, 800)
}

// TestBestEffort: pulls are delivered while Redis is there, and dropped and counted while it is not.
func TestBestEffort(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{IgnoredActions: []Action{Mount}})
	settings := steadyCluster(t, j, server.Addr, s.Endpoint)()
	way := &cut{Conn: settings.Conn}
	settings.Conn = way
	e := run(t, settings, unhurried)
	for i := range 100 {
		e.Happened(origin().ManifestPulled(Target{Repository: "some/repo", Tag: tag(i)}), origin().BlobMounted("some/repo", "other", d("blob"), 4))
	}
	eventually(t, "pulls are delivered", func() bool { n, _ := s.took(); return n == 100 })
	way.away.Store(true)
	e.Happened(origin().ManifestPulled(Target{Repository: "some/repo"}))
	eventually(t, "it is counted", func() bool { return testutil.ToFloat64(e.figures.dropped.WithLabelValues("one")) == 1 })
}

// TestRelayFinds: what a node did not queue before it died is queued by the relay; what a replay names goes there alone.
func TestRelayFinds(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	one, two := newSink(t, Options{Name: "one"}), newSink(t, Options{Name: "two"})
	settings := cluster(t, j, server.Addr, one.Endpoint, two.Endpoint)
	run(t, settings(), nil)
	run(t, settings(), nil)
	found := j.push(t, "some/repo", 0, "a")
	replay, foreign := j.push(t, "some/repo", 0, "b"), j.push(t, "some/repo", 0, "c")
	j.mu.Lock()
	for _, e := range []*storage.Entry{&replay, &foreign} {
		e.Action, e.Endpoints = storage.ActionReplay, []string{"two"}
		if e == &foreign {
			e.Endpoints = []string{"elsewhere"}
		}
		j.entries[e.ID] = *e
	}
	j.mu.Unlock()
	eventually(t, "all but the foreign one is settled", func() bool { return j.left() == 1 })
	if !one.has(found) || one.has(replay) || !two.has(found, replay) || one.has(foreign) || two.has(foreign) {
		t.Error("the endpoints did not get what is for them, and nothing else")
	}
}

// TestRedisCluster: all keys of a script are on one server.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	servers, err := teststore.StartRedisCluster("--cluster-node-timeout", "30000")
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, server := range servers {
		t.Cleanup(server.Stop)
		addrs = append(addrs, server.Addr)
	}
	j := newJournal()
	s := newSink(t, Options{Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	var n atomic.Int32
	s.answers(func([]Event) int {
		if n.Add(1)%7 == 0 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	conn, err := redisconn.Open(redisconn.Config{Addrs: addrs}, redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	eventually(t, "Redis answers", func() bool { return conn.Health(t.Context()) == nil && conn.Up() })
	e := run(t, Settings{Registry: j, Conn: conn, Namespace: "test", Endpoints: []*Endpoint{s.Endpoint}}, func(e *Events) { e.times.away = time.Hour })
	for i := range 100 {
		e.Committed(j.push(t, "some/repo", 0, tag(i)))
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if n, _ := s.took(); n != 100 {
		t.Errorf("the endpoint took %d events, want 100", n)
	}
}
