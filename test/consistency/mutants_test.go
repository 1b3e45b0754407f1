//go:build stores

package consistency_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
)

// TestMutants: nodes that remember facts with one mistake are caught by the same checker, in a few short runs each. A machine that has much to do does little in
// a run, and needs more of them.
func TestMutants(t *testing.T) {
	t.Parallel()
	const runs, lasts = 10, 2 * time.Minute
	for _, m := range []struct {
		name     string
		remember remembering
		cutOff   bool // the first node, from Redis
	}{
		{"a memory without leases", func(conn *redisconn.Conn, namespace string) storage.Facts { return unleased{conn, namespace} }, false},
		{"a writer that does not wait", func(conn *redisconn.Conn, namespace string) storage.Facts {
			return hasty{asBuilt(conn, namespace)}
		}, true},
		{"a reader that does not wait", func(conn *redisconn.Conn, namespace string) storage.Facts {
			return careless{asBuilt(conn, namespace)}
		}, true},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			store := drivertest.NewFake(t)
			nodes := newTrio(t, func() drivers.Driver { return &shaky{Driver: store, delay: 5 * time.Millisecond} }, m.remember)
			if m.cutOff {
				nodes.links[0].breaks()
			}
			begun := time.Now()
			for run := uint64(0); run < runs || time.Since(begun) < lasts; run++ {
				traffic := newTraffic(t, load{
					seed: *seed + run, duration: 1500 * time.Millisecond, readers: 12, writers: 3, tags: 2, turn: time.Minute, pause: 20 * time.Millisecond,
				}, nodes.urls...)
				traffic.run(nil)
				if v := traffic.history.violation(t); v != nil {
					t.Logf("caught in run %d: %s", run+1, v.tag)
					return
				}
			}
			t.Errorf("it was not caught in %d runs or more", runs)
		})
	}
}

// unleased lets a reader remember what it read, whatever was written in the meantime.
type unleased struct {
	conn      *redisconn.Conn
	namespace string
}

func (u unleased) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) (value []byte, err error) {
	err = u.conn.Do(ctx, time.Second, func(ctx context.Context, client redis.UniversalClient) (err error) {
		value, err = client.Get(ctx, u.namespace+key).Bytes()
		return err
	})
	if err == nil {
		return value, nil
	}
	if !errors.Is(err, redis.Nil) {
		return nil, err
	}
	fact, err := read(ctx)
	if err != nil || fact.Value == nil {
		return nil, err
	}
	return fact.Value, u.conn.Do(ctx, time.Second, func(ctx context.Context, client redis.UniversalClient) error {
		return client.Set(ctx, u.namespace+key, fact.Value, time.Second).Err()
	})
}

func (u unleased) Changed(ctx context.Context, keys ...string) error {
	return u.conn.Do(ctx, time.Second, func(ctx context.Context, client redis.UniversalClient) error {
		for _, key := range keys {
			if err := client.Del(ctx, u.namespace+key).Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// hasty does not wait for what it cannot make others forget.
type hasty struct{ storage.Facts }

func (h hasty) Changed(ctx context.Context, keys ...string) error {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_ = h.Facts.Changed(short, keys...)
	return ctx.Err()
}

// careless hides from its memory that a fact has versions, so that it does not wait for others to forget older ones.
type careless struct{ storage.Facts }

func (c careless) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	return c.Facts.Fetch(ctx, key, func(ctx context.Context) (storage.Fact, error) {
		fact, err := read(ctx)
		fact.Version = ""
		return fact, err
	})
}
