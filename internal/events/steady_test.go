//go:build stores

package events

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// steady is a way to a Redis with which all is well. That an answer takes long on a busy machine says nothing of it, so that nothing is delivered twice.
type steady struct{ client *redis.Client }

const ample = time.Minute

func newSteady(t testing.TB, addr string) steady {
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, ReadTimeout: ample, WriteTimeout: ample})
	t.Cleanup(func() { c.Close() })
	return steady{c}
}

func (s steady) Do(ctx context.Context, _ time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, ample)
	defer cancel()
	return fn(ctx, s.client)
}

func (steady) Up() bool { return true }

// steadyCluster is what nodes have in common, by such ways.
func steadyCluster(t testing.TB, j Registry, addr string, endpoints ...*Endpoint) func() Settings {
	return func() Settings {
		return Settings{Registry: j, Conn: newSteady(t, addr), Namespace: "test", Endpoints: endpoints}
	}
}

// unhurried takes no node for dead that is held up.
func unhurried(e *Events) {
	e.times.stale, e.times.lease, e.times.away = 2*time.Minute, time.Minute, time.Hour
}
