//go:build stores

package redisconn

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap/zaptest/observer"
)

// onceEach holds that the log tells of going away once, with this, and of coming back once.
func onceEach(t *testing.T, logs *observer.ObservedLogs, says string) {
	t.Helper()
	all := logs.TakeAll()
	if len(all) != 2 || !strings.Contains(all[0].Message, says) || all[1].Message != "Redis answers again." {
		t.Errorf("the log is %v, want one line with %q and one that it is back", all, says)
	}
}

func TestHung(t *testing.T) {
	t.Parallel()
	hung := func(c *Conn) error { return set(t, c, "hung", budget) }
	p := server(t)
	var others []*Conn
	for range 10 {
		c, _ := open(t, Config{Addrs: []string{p.Addr}})
		works(t, c)
		others = append(others, c)
	}
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)
	met := c.servers.lastMet.Load()
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	next := c
	inTime(t, func() (now *Conn) {
		if now = next; len(others) > 0 {
			next, others = others[0], others[1:]
		} else {
			next = nil
		}
		return now
	}, hung)
	for range 1000 {
		if err := hung(c); err != ErrAway { // as it is: nothing was tried
			t.Fatalf("got %v, want ErrAway at once", err)
		}
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	if c.servers.lastMet.Load() != met {
		t.Error("it is not known to be the same")
	}
	onceEach(t, logs, "overloaded or stopped")
}

func TestKilled(t *testing.T) {
	t.Parallel()
	p := server(t)
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)
	asked := time.Now()
	p.Stop()
	goesAway(t, c, ample)
	eventually(t, "its health is what to do", func() bool { // or that it was slow, on a machine that is
		err := c.Health(t.Context())
		return err != nil && strings.Contains(err.Error(), "redis.addrs")
	})
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	trustedAnew(t, c, asked)
	eventually(t, "it is healthy", func() bool { return c.Health(t.Context()) == nil })
	onceEach(t, logs, "redis.addrs")
}

// TestAbsentFromTheStart: Open does not wait for Redis.
func TestAbsentFromTheStart(t *testing.T) {
	t.Parallel()
	p := server(t)
	p.Stop()
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	eventually(t, "it is found to be away though nobody asks", func() bool { return !c.Up() })
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	onceEach(t, logs, "redis.addrs")
}

// TestFullMemory: what answers PING may still be of no use.
func TestFullMemory(t *testing.T) {
	t.Parallel()
	p := server(t, "--maxmemory", "1")
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	eventually(t, "it is away", func() bool { return !c.Up() })
	eventually(t, "some probes have passed", func() bool {
		return c.breaker.failures.Load() > patience+2
	})
	if c.Up() || logs.Len() != 1 {
		t.Errorf("a Redis without memory came back: %v", logs.All())
	}
	admin := redis.NewClient(&redis.Options{Addr: p.Addr})
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	onceEach(t, logs, "memory")
}

// TestSlow: Redis that answers, but not within the budget, stays away until it is faster.
func TestSlow(t *testing.T) {
	t.Parallel()
	p := server(t)
	slow := slowly(t, p.Addr, 60*time.Millisecond)
	c, logs := open(t, Config{Addrs: []string{slow.addr}})
	goesAway(t, c, budget)
	failed := c.breaker.failures.Load()
	eventually(t, "some probes have passed", func() bool { return c.breaker.failures.Load() > failed+2 })
	if c.Up() {
		t.Error("it came back as slow as it was")
	}
	slow.delay.Store(0)
	works(t, c)
	onceEach(t, logs, "overloaded")
}

// TestNobodyAnswers: a listener that takes connections and says nothing, with all the ways to get stuck in a handshake.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr := l.Addr().String()
	for name, cfg := range map[string]Config{
		"server":   {Addrs: []string{addr}},
		"TLS":      {Addrs: []string{addr}, TLS: TLS{Enabled: true}},
		"sentinel": {Addrs: []string{addr}, MasterName: "main"},
		"cluster":  {Addrs: []string{addr, addr}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func() *Conn { c, _ := open(t, cfg); return c }, func(c *Conn) error { return set(t, c, "nobody", budget) })
		})
		t.Run(name+", pipeline", func(t *testing.T) {
			t.Parallel()
			inTime(t, func() *Conn { c, _ := open(t, cfg); return c }, func(c *Conn) error {
				return c.Do(t.Context(), budget, func(ctx context.Context, client redis.UniversalClient) error {
					p := client.Pipeline()
					p.Del(ctx, "a")
					p.Del(ctx, "b")
					_, err := p.Exec(ctx)
					return err
				})
			})
		})
	}
}
