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
	p := server(t)
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	works(t, c, time.Second)
	eventually(t, "it is trusted", 3*time.Second, c.Trusted)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	inTime(t, c, func() error { return set(t, c, "hung") })
	if c.Up() {
		t.Errorf("it is up after %d failures", patience)
	}
	start := time.Now()
	for range 1000 {
		if err := set(t, c, "hung"); err != ErrAway {
			t.Fatalf("got %v, want ErrAway at once", err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1000 calls that are not tried took %s", took)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	works(t, c, 2*time.Second)
	eventually(t, "it is trusted again, being the same", 100*time.Millisecond, c.Trusted)
	onceEach(t, logs, "overloaded or stopped")
}

func TestKilled(t *testing.T) {
	t.Parallel()
	p := server(t)
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	works(t, c, time.Second)
	eventually(t, "it is trusted", 3*time.Second, c.Trusted)
	asked := time.Now()
	p.Stop()
	goesAway(t, c)
	if err := c.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "redis.addrs") {
		t.Errorf("health: got %v, want what to do", err)
	}
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	works(t, c, 3*time.Second)
	if c.Trusted() || c.TrustedSince(asked) {
		t.Error("a server that was just met is trusted")
	}
	eventually(t, "it is trusted again", 3*time.Second, c.Trusted)
	if took := time.Since(back); took < distrust {
		t.Errorf("a new server was trusted after %s", took)
	}
	if c.TrustedSince(asked) {
		t.Error("an answer that was asked for before the new server is trusted")
	}
	if err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	onceEach(t, logs, "redis.addrs")
}

// TestAbsentFromTheStart: Open does not wait for Redis.
func TestAbsentFromTheStart(t *testing.T) {
	t.Parallel()
	p := server(t)
	p.Stop()
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	eventually(t, "it is found to be away though nobody asks", 3*time.Second, func() bool { return !c.Up() })
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	works(t, c, 3*time.Second)
	onceEach(t, logs, "redis.addrs")
}

// TestFullMemory: what answers PING may still be of no use.
func TestFullMemory(t *testing.T) {
	t.Parallel()
	p := server(t, "--maxmemory", "1")
	c, logs := open(t, Config{Addrs: []string{p.Addr}})
	eventually(t, "it is away", 3*time.Second, func() bool { return !c.Up() })
	eventually(t, "some probes have passed", 2*time.Second, func() bool {
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
	works(t, c, 2*time.Second)
	onceEach(t, logs, "memory")
}

// TestSlow: Redis that answers, but not within the budget, stays away until it is faster.
func TestSlow(t *testing.T) {
	t.Parallel()
	p := server(t)
	slow := slowly(t, p.Addr, 60*time.Millisecond)
	c, logs := open(t, Config{Addrs: []string{slow.addr}})
	goesAway(t, c)
	failed := c.breaker.failures.Load()
	eventually(t, "some probes have passed", 3*time.Second, func() bool { return c.breaker.failures.Load() > failed+2 })
	if c.Up() {
		t.Error("it came back as slow as it was")
	}
	slow.delay.Store(0)
	works(t, c, 3*time.Second)
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
			c, _ := open(t, cfg)
			inTime(t, c, func() error { return set(t, c, "nobody") })
		})
		t.Run(name+", pipeline", func(t *testing.T) {
			t.Parallel()
			c, _ := open(t, cfg)
			inTime(t, c, func() error {
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
