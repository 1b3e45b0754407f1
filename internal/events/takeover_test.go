//go:build stores

package events

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
)

// TestConsumerDies: what a node had taken and did not acknowledge goes to another one; what it had is not long in coming when it stopped in peace.
func TestConsumerDies(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		server, j := startRedis(t), newJournal()
		s := newSink(t, Options{Ordered: ordered, Timeout: time.Minute})
		s.answers(always(0)) // it hangs
		settings := steadyCluster(t, j, server.Addr, s.Endpoint)
		dying := &cut{Conn: newSteady(t, server.Addr)}
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
		run(t, settings(), func(e *Events) { e.times.stale, e.times.lease, e.times.away = 2*time.Second, time.Minute, time.Hour })
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if !s.has(entries...) {
			t.Error("events were lost")
		}
		if ordered {
			inOrder(t, s, 20)
		}
	}
}

// TestGivenBack: a node that stops leaves what it has not delivered to others, who need not wait.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{Timeout: time.Minute})
	s.answers(always(0))
	settings := steadyCluster(t, j, server.Addr, s.Endpoint)
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
