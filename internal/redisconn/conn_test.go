//go:build stores

package redisconn

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/teststore"
)

func TestErrorsOfDo(t *testing.T) {
	t.Parallel()
	c, _ := open(t, Config{Addrs: []string{teststore.Redis(t)}})
	do := func(ctx context.Context, fn func(context.Context, redis.UniversalClient) error) error {
		return c.Do(ctx, ample, fn)
	}

	if err := do(t.Context(), func(ctx context.Context, client redis.UniversalClient) error { return client.Get(ctx, "none").Err() }); err != redis.Nil {
		t.Errorf("no value: got %v, want redis.Nil as it is", err)
	}
	for range 2 * patience {
		err := do(t.Context(), func(ctx context.Context, client redis.UniversalClient) error {
			return client.Eval(ctx, "redis.call('SET', KEYS[1], '1') return redis.call('LPUSH', KEYS[1], '2')", []string{t.Name()}).Err()
		})
		if err == nil || errors.Is(err, ErrAway) || !redis.HasErrorPrefix(err, "WRONGTYPE") {
			t.Errorf("an answer that is an error: got %v", err)
		}
	}
	if !c.Up() {
		t.Error("errors that are answers count as failures")
	}

	over, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 * patience {
		err := do(over, func(ctx context.Context, client redis.UniversalClient) error {
			cancel()
			return client.Get(ctx, "none").Err()
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrAway) {
			t.Errorf("canceled: got %v", err)
		}
	}
	if !c.Up() {
		t.Error("a caller that went away counts as a failure")
	}

	err := c.Do(t.Context(), time.Millisecond, func(ctx context.Context, _ redis.UniversalClient) error { <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, ErrAway) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over the budget: got %v, want ErrAway and no deadline that might be the caller's", err)
	}
	defer func() {
		if recover() != "oh" {
			t.Error("a panic does not reach the caller")
		}
	}()
	_ = do(t.Context(), func(context.Context, redis.UniversalClient) error { panic("oh") })
}

// TestBlockingIsLeftBehind: the client library does not always look at the clock.
func TestBlockingIsLeftBehind(t *testing.T) {
	t.Parallel()
	addr, release := teststore.Redis(t), make(chan struct{})
	defer close(release)
	inTime(t, func() *Conn { c, _ := open(t, Config{Addrs: []string{addr}}); works(t, c); return c }, func(c *Conn) error {
		return c.Do(t.Context(), budget, func(context.Context, redis.UniversalClient) error { <-release; return nil })
	})
}

func TestFigures(t *testing.T) {
	t.Parallel()
	p, reg := server(t), prometheus.NewPedanticRegistry()
	c, err := Open(Config{Addrs: []string{p.Addr}}, Options{Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	works(t, c)
	up := func(want string) {
		t.Helper()
		text := "# HELP registryd_redis_up 1 while Redis answers, 0 while it is away and registryd works without it.\n# TYPE registryd_redis_up gauge\nregistryd_redis_up " + want + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "registryd_redis_up"); err != nil {
			t.Error(err)
		}
	}
	up("1")
	_ = c.Do(t.Context(), ample, func(context.Context, redis.UniversalClient) error { return io.EOF }) // later, the watch may find out before any call does
	p.Stop()
	goesAway(t, c, ample)
	up("0")
	if n := testutil.ToFloat64(c.metrics.calls.WithLabelValues("away")); n == 0 {
		t.Error("no call is counted as away")
	}
	if n, err := testutil.GatherAndCount(reg, "registryd_redis_calls_total", "registryd_redis_call_duration_seconds"); n != 5 || err != nil {
		t.Errorf("%d series, %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg); n != 0 || err != nil {
		t.Errorf("%d series are left after Close, %v", n, err)
	}
}

// TestClosed: what is still asked when a process ends is refused, and nobody is told that Redis went away.
func TestClosed(t *testing.T) {
	t.Parallel()
	c, logs := open(t, Config{Addrs: []string{teststore.Redis(t)}})
	works(t, c)
	err := c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		return client.Ping(ctx).Err() // under way when it was closed
	})
	if !errors.Is(err, ErrAway) {
		t.Errorf("what was under way: got %v", err)
	}
	for range 2 * patience {
		if err := set(t, c, "closed", budget); !errors.Is(err, ErrAway) {
			t.Errorf("got %v", err)
		}
	}
	if all := logs.All(); len(all) > 0 {
		t.Errorf("the log is %v", all)
	}
}

// TestCloseLeavesNothing is not parallel: it counts goroutines.
func TestCloseLeavesNothing(t *testing.T) {
	left := func() string {
		buf := make([]byte, 1<<20)
		var ours []string
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "redisconn.") && !strings.Contains(stack, "redisconn.Test") || strings.Contains(stack, "go-redis") && !strings.Contains(stack, "TimeCache") {
				ours = append(ours, stack)
			}
		}
		return strings.Join(ours, "\n\n")
	}
	p := server(t)
	core, err := Open(Config{Addrs: []string{p.Addr}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	works(t, core)
	p.Stop()
	goesAway(t, core, ample)
	for range 2 {
		if err := core.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := core.Do(t.Context(), budget, func(context.Context, redis.UniversalClient) error { return redis.ErrClosed }); !errors.Is(err, ErrAway) {
		t.Errorf("after Close: got %v", err)
	}
	stacks := ""
	defer func() {
		if stacks != "" {
			t.Log(stacks)
		}
	}()
	eventually(t, "no goroutine is left", func() bool { stacks = left(); return stacks == "" })
}
