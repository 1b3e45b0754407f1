//go:build stores

package redisconn

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/registryd/registryd/internal/teststore"
)

const (
	budget = 50 * time.Millisecond // of calls that shall fail
	ample  = 30 * time.Second      // of calls and probes that shall not, however busy the machine is
	soon   = time.Minute           // for all that is to come by itself: it ends a test that would hang
)

// server runs a Redis that the test may harm.
func server(t *testing.T, args ...string) *teststore.Process {
	t.Helper()
	p, err := teststore.StartRedis(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// open gives a Conn and what it logs. It takes Redis for away when that says so, or hangs for very long, and not because the machine is busy.
func open(t *testing.T, cfg Config) (*Conn, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	cfg.ReadTimeout, cfg.WriteTimeout = ample, ample
	c, err := Open(cfg, Options{Log: zap.New(core), probing: ample})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, logs
}

// eventually waits for something that is to come by itself.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", soon, what)
		}
	}
}

// set writes a value.
func set(t *testing.T, c *Conn, key string, budget time.Duration) error {
	t.Helper()
	err := c.Do(t.Context(), budget, func(ctx context.Context, client redis.UniversalClient) error {
		return client.Set(ctx, key, "x", time.Hour).Err()
	})
	if err != nil && !errors.Is(err, ErrAway) {
		t.Errorf("got %v, want ErrAway", err)
	}
	return err
}

// inTime has Redis, which does not answer, asked as often as it takes to find that out, and holds Do to its budget. On a machine that has much to do a call
// may take longer for that alone, but two of three do not so time and again: then others are asked that next gives, until it gives nil.
func inTime(t *testing.T, next func() *Conn, ask func(*Conn) error) {
	t.Helper()
	var all [][patience]time.Duration
	for begun := time.Now(); time.Since(begun) < soon; {
		c := next()
		if c == nil {
			break
		}
		var took [patience]time.Duration
		for i := range took {
			start := time.Now()
			if err := ask(c); !errors.Is(err, ErrAway) {
				t.Errorf("call %d: got %v, want ErrAway", i, err)
			}
			took[i] = time.Since(start)
		}
		if c.Up() {
			t.Errorf("it is up after %d failures", patience)
		}
		slices.Sort(took[:])
		if t.Failed() || took[1] <= budget+50*time.Millisecond {
			return
		}
		all = append(all, took)
	}
	t.Errorf("calls with a budget of %s took %s", budget, all)
}

// works waits until a value can be written.
func works(t *testing.T, c *Conn) {
	t.Helper()
	eventually(t, "Redis can be used", func() bool { return set(t, c, "works", ample) == nil })
}

// goesAway uses c, with a budget for each call, until it is known to be away.
func goesAway(t *testing.T, c *Conn, budget time.Duration) {
	t.Helper()
	eventually(t, "Redis is known to be away", func() bool { return set(t, c, "away", budget) != nil && !c.Up() })
	if c.Trusted() && !c.Up() {
		t.Error("a Redis that is away is trusted")
	}
}

// trustedAnew holds that c has met a new server since, and believes it, but not at once.
func trustedAnew(t *testing.T, c *Conn, since time.Time) {
	t.Helper()
	if met := c.servers.lastMet.Load(); met == nil || !met.After(since) {
		t.Error("no new server was met")
	}
	eventually(t, "it is trusted again", c.Trusted)
	if known := time.Since(*c.servers.lastMet.Load()); known <= distrust {
		t.Errorf("a new server was trusted after %s", known)
	}
	if c.TrustedSince(since) {
		t.Error("an answer that was asked for before the new server is trusted")
	}
}
