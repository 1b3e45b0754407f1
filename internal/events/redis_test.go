//go:build stores

package events

import (
	"context"
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
	settings := cluster(t, j, server.Addr, one.Endpoint, two.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil), run(t, settings(), nil)}
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
	e := run(t, cluster(t, j, server.Addr, s.Endpoint)(), nil)
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

// TestFlush: Redis loses everything, again and again, while events wait and are delivered.
func TestFlush(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s, slow := newSink(t, Options{Name: "one"}), newSink(t, Options{Name: "slow"})
	slow.answers(func([]Event) int { <-time.After(5 * time.Millisecond); return http.StatusOK })
	settings := cluster(t, j, server.Addr, s.Endpoint, slow.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
	var entries []storage.Entry
	for i := range 600 {
		entry := j.push(t, "some/repo", 0, tag(i))
		entries = append(entries, entry)
		nodes[i%2].Committed(entry)
		if i%150 == 149 {
			if err := client(t, server.Addr).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !s.has(entries...) || !slow.has(entries...) {
		t.Error("events were lost")
	}
	_, all := slow.took()
	t.Logf("600 events and 4 flushes: the slow endpoint got %d", all)
}

// TestLostKeys: Redis loses single keys, as when it is short of memory.
func TestLostKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"q:one", "later:one", "tries:one", "open:one", "endpoints"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			server, j := startRedis(t), newJournal()
			s := newSink(t, Options{Backoff: 50 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
			s.answers(always(http.StatusInternalServerError))
			e := run(t, cluster(t, j, server.Addr, s.Endpoint)(), nil)
			var entries []storage.Entry
			for i := range 30 {
				entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
				e.Committed(entries[i])
			}
			c := client(t, server.Addr)
			eventually(t, "some are put off", func() bool { return c.ZCard(t.Context(), "{test:events}:later:one").Val() > 3 })
			if err := c.Del(t.Context(), "{test:events}:"+key).Err(); err != nil {
				t.Fatal(err)
			}
			s.answers(nil)
			eventually(t, "all is settled", func() bool { return j.left() == 0 })
			if !s.has(entries...) {
				t.Error("events were lost")
			}
		})
	}
}

// TestConsumerDies: what a node had taken and did not acknowledge goes to another one; what it had is not long in coming when it stopped in peace.
func TestConsumerDies(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		server, j := startRedis(t), newJournal()
		s := newSink(t, Options{Ordered: ordered, Timeout: time.Minute})
		s.answers(always(0)) // it hangs
		settings := cluster(t, j, server.Addr, s.Endpoint)
		dying := &cut{Conn: connect(t, server.Addr)}
		first := settings()
		first.Conn = dying
		dead := run(t, first, func(e *Events) { e.times.drain = 50 * time.Millisecond })
		var entries []storage.Entry
		for i := range 20 {
			entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
			dead.Committed(entries[i])
		}
		c := client(t, server.Addr)
		eventually(t, "the first node has taken them", func() bool {
			p, err := c.XPending(t.Context(), "{test:events}:q:one", "registryd").Result()
			return err == nil && p.Count == 20
		})
		dying.away.Store(true) // for Redis it is as if it had been killed
		dead.stop()
		s.answers(nil)
		run(t, settings(), func(e *Events) { e.times.stale = 2 * time.Second })
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if !s.has(entries...) {
			t.Error("events were lost")
		}
		if ordered {
			inOrder(t, s, 20)
		}
	}
}

// cut is a way to Redis that can be cut off.
type cut struct {
	Conn
	away atomic.Bool
}

func (c *cut) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	if c.away.Load() {
		return redisconn.ErrAway
	}
	return c.Conn.Do(ctx, budget, fn)
}

func (c *cut) Up() bool { return !c.away.Load() && c.Conn.Up() }

// TestGivenBack: a node that stops leaves what it has not delivered to others, who need not wait.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{Timeout: time.Minute})
	s.answers(always(0))
	settings := cluster(t, j, server.Addr, s.Endpoint)
	long := func(e *Events) {
		e.times.drain, e.times.stale, e.times.untold = 50*time.Millisecond, time.Hour, time.Hour
	}
	first := run(t, settings(), long)
	for i := range 20 {
		first.Committed(j.push(t, "some/repo", 0, tag(i)))
	}
	c := client(t, server.Addr)
	eventually(t, "the first node has taken them", func() bool {
		p, err := c.XPending(t.Context(), "{test:events}:q:one", "registryd").Result()
		return err == nil && p.Count == 20
	})
	first.stop()
	s.answers(nil)
	run(t, settings(), long)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if different, all := s.took(); different != 20 || all != 20 {
		t.Errorf("the endpoint took %d events, %d of them different", all, different)
	}
}

// TestRedisTrouble: Redis is killed, or hangs, in the middle; the relay delivers meanwhile, and Redis goes on when it is back.
func TestRedisTrouble(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]struct {
		begin, end func(*teststore.Process) error
	}{
		"killed": {func(p *teststore.Process) error { p.Stop(); return nil }, (*teststore.Process).Restart},
		"hung":   {(*teststore.Process).Pause, (*teststore.Process).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, j := startRedis(t), newJournal()
			s := newSink(t, Options{})
			settings := cluster(t, j, server.Addr, s.Endpoint)
			nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
			var entries []storage.Entry
			push := func() {
				for i := range 100 {
					entry := j.push(t, "some/repo", 0, tag(i))
					entries = append(entries, entry)
					nodes[i%2].Committed(entry)
				}
			}
			push()
			if err := harm.begin(server); err != nil {
				t.Fatal(err)
			}
			push()
			eventually(t, "the relay delivers", func() bool { return j.left() == 0 && s.has(entries...) })
			if err := harm.end(server); err != nil {
				t.Fatal(err)
			}
			push()
			eventually(t, "all is delivered by Redis", func() bool {
				return j.left() == 0 && s.has(entries...) && nodes[0].direct.Load() == nil && nodes[1].direct.Load() == nil
			})
			different, all := s.took()
			t.Logf("%d events, of which the endpoint got %d", different, all)
		})
	}
}

// TestQueueTrouble: an endpoint answers 500, hangs and is back; what is tried again is counted, and another endpoint does not wait.
func TestQueueTrouble(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	good := newSink(t, Options{Name: "good"})
	bad := newSink(t, Options{Name: "bad", Timeout: 100 * time.Millisecond, Threshold: 5, Backoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	settings := cluster(t, j, server.Addr, good.Endpoint, bad.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
	var entries []storage.Entry
	c := client(t, server.Addr)
	for i, status := range []int{http.StatusInternalServerError, 0} {
		bad.answers(always(status))
		for k := range 100 {
			entry := j.push(t, "some/repo", 0, tag(k))
			entries = append(entries, entry)
			nodes[k%2].Committed(entry)
		}
		eventually(t, "the good endpoint has all", func() bool { return good.has(entries...) })
		eventually(t, "attempts are counted", func() bool { return c.HLen(t.Context(), "{test:events}:tries:bad").Val() > int64(10*i) })
	}
	if n, _ := bad.took(); n != 0 {
		t.Errorf("the bad endpoint took %d", n)
	}
	eventually(t, "the status says what waits", func() bool {
		s, err := nodes[0].Status(t.Context())
		return err == nil && s.Known && s.Redis && s.Endpoints[1].Waiting == 200 && !s.Endpoints[1].Oldest.IsZero() && s.Endpoints[0].Waiting == 0 && s.Journal == 200
	})
	bad.answers(nil)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !bad.has(entries...) {
		t.Error("events were lost")
	}
	empty(t, c, "good", "bad")
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
	settings := cluster(t, j, server.Addr, s.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil), run(t, settings(), nil)}
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
	e := run(t, cluster(t, j, server.Addr, s.Endpoint)(), nil)
	for i := range 100 {
		e.Happened(origin().ManifestPulled(Target{Repository: "some/repo", Tag: tag(i)}), origin().BlobMounted("some/repo", "other", d("blob"), 4))
	}
	eventually(t, "pulls are delivered", func() bool { n, _ := s.took(); return n == 100 })
	server.Stop()
	eventually(t, "Redis is known to be away", func() bool { return !e.Conn.Up() })
	e.Happened(origin().ManifestPulled(Target{Repository: "some/repo"}))
	eventually(t, "it is counted", func() bool { return testutil.ToFloat64(e.figures.dropped.WithLabelValues("one")) == 1 })
}

// TestGoneEndpoint: what waits for an endpoint that no node has any more is dropped, and the journal is not kept for it.
func TestGoneEndpoint(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	gone, stays := newSink(t, Options{Name: "gone"}), newSink(t, Options{Name: "stays"})
	gone.answers(always(http.StatusInternalServerError))
	soon := func(e *Events) { e.times.gone = time.Second }
	first := run(t, cluster(t, j, server.Addr, gone.Endpoint, stays.Endpoint)(), soon)
	entry := j.push(t, "some/repo", 0, "a")
	first.Committed(entry)
	eventually(t, "the other endpoint has it", func() bool { return stays.has(entry) })
	first.stop()
	run(t, cluster(t, j, server.Addr, stays.Endpoint)(), soon)
	eventually(t, "it is settled", func() bool { return j.left() == 0 })
	c := client(t, server.Addr)
	eventually(t, "its stream is gone", func() bool { return c.Exists(t.Context(), "{test:events}:q:gone").Val() == 0 })
	empty(t, c, "gone", "stays")
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
	servers, err := teststore.StartRedisCluster()
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
