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

const budget = 50 * time.Millisecond

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

// open gives a Conn and what it logs.
func open(t *testing.T, cfg Config) (*Conn, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	c, err := Open(cfg, Options{Log: zap.New(core)})
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
func eventually(t *testing.T, what string, within time.Duration, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// set writes a value.
func set(t *testing.T, c *Conn, key string) error {
	t.Helper()
	err := c.Do(t.Context(), budget, func(ctx context.Context, client redis.UniversalClient) error {
		return client.Set(ctx, key, "x", time.Minute).Err()
	})
	if err != nil && !errors.Is(err, ErrAway) {
		t.Errorf("got %v, want ErrAway", err)
	}
	return err
}

// inTime has Redis, which does not answer, asked as often as it takes to find that out, and holds Do to its budget. One of the calls may take longer: it is
// not only Redis that can be overloaded.
func inTime(t *testing.T, c *Conn, ask func() error) {
	t.Helper()
	var took [patience]time.Duration
	for i := range took {
		start := time.Now()
		if err := ask(); !errors.Is(err, ErrAway) {
			t.Errorf("call %d: got %v, want ErrAway", i, err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took[:])
	if took[1] > budget+50*time.Millisecond {
		t.Errorf("calls with a budget of %s took %s", budget, took)
	}
}

// works waits until a value can be written.
func works(t *testing.T, c *Conn, within time.Duration) {
	t.Helper()
	eventually(t, "Redis can be used", within, func() bool { return set(t, c, "works") == nil })
}

// goesAway uses c until it is known to be away.
func goesAway(t *testing.T, c *Conn) {
	t.Helper()
	eventually(t, "Redis is known to be away", 2*time.Second, func() bool {
		if set(t, c, "away") == nil {
			return false
		}
		return !c.Up()
	})
	if c.Trusted() {
		t.Error("a Redis that is away is trusted")
	}
}
