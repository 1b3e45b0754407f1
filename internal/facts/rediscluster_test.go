//go:build stores

package facts

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// TestRedisCluster: facts that are told to have changed together may stand on different servers. It goes the way that a process goes.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	servers, err := teststore.StartRedisCluster("--cluster-node-timeout", "30000")
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, s := range servers {
		t.Cleanup(s.Stop)
		addrs = append(addrs, s.Addr)
	}
	conn := redisconn.New(redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true}), redisconn.Options{})
	t.Cleanup(func() { conn.Close() })
	n := &node{Facts: New(conn, Options{Namespace: "test"})}
	n.times.budget, n.times.life = ample, 10*time.Second

	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"} // eight keys of three servers: the odds that one has them all are 1 to 2187
	for v := 1; v <= 2; v++ {
		eventually(t, "everything is remembered", func() bool {
			wasRead := false
			for _, key := range keys {
				wasRead = n.fetches(t, key, v, func() storage.Fact { return version(v) }) || wasRead
			}
			return !wasRead
		})
		if err := n.Changed(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
	}
}
