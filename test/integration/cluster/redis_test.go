//go:build stores

package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is for what is only there to end a test that hangs.
const patience = time.Minute

// TestRedis harms a Redis and looks at it through a forwarder, as a node does.
func TestRedis(t *testing.T) {
	t.Parallel()
	r := &Redis{t: t}
	r.Restart()
	t.Cleanup(r.Kill)
	path := newForwarder(t, r.Addr)
	r.paths = append(r.paths, path)
	client := redis.NewClient(&redis.Options{Addr: path.Addr, ContextTimeoutEnabled: true, MaxRetries: -1, ReadTimeout: patience})
	t.Cleanup(func() { _ = client.Close() })

	exists := func(want bool) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var n int64
			var err error
			for ok := true; ok && (n == 0 || err != nil); ok = err != nil && ctx.Err() == nil { // connections from before give an error first
				n, err = client.Exists(ctx, "key").Result()
			}
			if err != nil || (n == 1) != want {
				t.Errorf("%d, %v", n, err)
			}
		}
	}
	silent := func(t *testing.T) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := client.Ping(ctx).Err(); err == nil {
			t.Error("it answers")
		}
	}
	fill := func() {
		if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	for _, step := range []struct {
		name string
		do   func()
		then func(*testing.T)
	}{
		{"untouched", func() {}, exists(true)},
		{"slow", func() { r.Delay(300 * time.Millisecond) }, silent},
		{"fast again", func() { r.Delay(0) }, exists(true)},
		{"paused", r.Pause, silent},
		{"resumed", r.Resume, exists(true)},
		{"cut off", func() { path.setCut(Refuse) }, silent},
		{"hanging", func() { path.setCut(Hang) }, silent},
		{"reconnected", func() { path.setCut(whole) }, exists(true)},
		{"killed", r.Kill, silent},
		{"restarted", r.Restart, exists(false)},
		{"filled", fill, exists(true)},
		{"flushed", r.Flush, exists(false)},
	} {
		step.do()
		t.Run(step.name, step.then)
	}
}
