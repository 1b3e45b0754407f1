//go:build stores

package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// way is a way to Redis that can be cut off.
type way struct {
	redis.UniversalClient
	cut bool
}

func (w *way) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	if w.cut {
		return errors.New("Redis is away")
	}
	ctx, cancel := context.WithTimeout(ctx, 100*budget) // the machine may be busy
	defer cancel()
	return fn(ctx, w.UniversalClient)
}

func dial(t *testing.T, addr string) *way {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
	t.Cleanup(func() { client.Close() })
	return &way{UniversalClient: client}
}

func TestRedisBoard(t *testing.T) {
	t.Parallel()
	conn := dial(t, teststore.Redis(t))
	onBoard(t, func() cluster.Board { return cluster.NewRedisBoard(conn, t.Name()) })
	if other := listed(t, cluster.NewRedisBoard(conn, t.Name()+"/other")); len(other) != 0 {
		t.Errorf("another registry lists %v", other)
	}
}

// Nodes go when they are not heard of: 45 seconds later from the list, a day later from the index.
func TestRedisBoardForgets(t *testing.T) {
	t.Parallel()
	conn := dial(t, teststore.Redis(t))
	board := cluster.NewRedisBoard(conn, t.Name())
	index, key := t.Name()+":{nodes}", t.Name()+":{nodes}:a"
	must(t, cluster.NewRedisBoard(conn, t.Name()).Announce(t.Context(), full("dead")))
	must(t, conn.ZAdd(t.Context(), index, redis.Z{Score: float64(time.Now().Add(-25 * time.Hour).UnixMilli()), Member: "yesterday"}).Err())
	must(t, conn.Del(t.Context(), t.Name()+":{nodes}:dead").Err())
	begun := time.Now()
	must(t, board.Announce(t.Context(), full("a")))
	if life := conn.PTTL(t.Context(), key).Val(); life <= 44*time.Second-time.Since(begun) || life > 45*time.Second {
		t.Errorf("the node is listed for %v", life)
	}
	if got := listed(t, board); len(got) != 1 || got["a"].Version == "" {
		t.Errorf("the board lists %v", got)
	}
	if life := conn.PTTL(t.Context(), index).Val(); life <= 23*time.Hour || life > 24*time.Hour {
		t.Errorf("the index lives for %v", life)
	}
	if known := conn.ZRange(t.Context(), index, 0, -1).Val(); len(known) != 2 || known[0] != "dead" || known[1] != "a" {
		t.Errorf("the index holds %q", known)
	}
	must(t, conn.Set(t.Context(), key, "another form", time.Minute).Err())
	if got := listed(t, board); len(got) != 1 || got["a"] != (cluster.Node{Instance: "a"}) {
		t.Errorf("of what cannot be read the board says %v", got)
	}
}

// A Redis Cluster refuses commands whose keys are not all on one server.
func TestRedisBoardOnACluster(t *testing.T) {
	t.Parallel()
	servers, err := teststore.StartRedisCluster("--cluster-node-timeout", "30000")
	must(t, err)
	var addrs []string
	for _, server := range servers {
		t.Cleanup(server.Stop)
		addrs = append(addrs, server.Addr)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	t.Cleanup(func() { client.Close() })
	onBoard(t, func() cluster.Board { return cluster.NewRedisBoard(&way{UniversalClient: client}, t.Name()) })
}

// With Redis away nodes are found by their records in the store, and those records go when Redis is back.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	conn := dial(t, teststore.Redis(t))
	board := &cluster.Either{First: cluster.NewRedisBoard(conn, t.Name()), Second: cluster.NewStoreBoard(storage.New(fake, storage.Options{}))}
	for _, cut := range []bool{false, true, false} {
		conn.cut = cut
		must(t, board.Announce(t.Context(), full("a")))
		if got := listed(t, board); len(got) != 1 || got["a"].Version == "" {
			t.Errorf("cut off: %v: the board lists %v", cut, got)
		}
		if keys := fake.Keys(); len(keys) != 0 != cut {
			t.Errorf("cut off: %v: the store holds %q", cut, keys)
		}
	}
	must(t, board.Withdraw(t.Context()))
	if got := listed(t, board); len(got) != 0 {
		t.Errorf("it withdrew, and the board lists %v", got)
	}
}
