//go:build stores

package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/config"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// A node that announces itself in Redis is found there, by the id that the store has, and leaves nothing in the store.
func TestClusterStatusWithRedis(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c := config.Default()
	c.Storage.Filesystem.RootDirectory, c.Redis.Addrs = data, []string{teststore.Redis(t)}
	store, err := openStore(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	registry := storage.New(store, storage.Options{})
	if err := registry.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := openRedis(c.Redis, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	view := clusterView(registry, store.Ping, conn, redisNamespace(registry, c))
	me := cluster.Node{Instance: "some-node", Version: "v1.2.3", Started: time.Now()}
	announce := func() (stop func()) {
		return startAnnouncing(t.Context(), view, me, func() int { return 42 }, true, zap.NewNop())
	}
	stop := announce()
	t.Cleanup(func() { stop() })

	env := []string{"REGISTRY_REDIS_ADDRS=" + c.Redis.Addrs[0]}
	look := func() string {
		t.Helper()
		code, stdout, stderr := invoke(t, env, "cluster", "status", "--data", data)
		if code != exitOK || stderr != "" {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		return stdout
	}
	eventually(t, func() string {
		if text := look(); !strings.Contains(text, "some-node  v1.2.3") || !strings.Contains(text, "Redis  up, ") || !strings.Contains(text, "  42       up     up\n") {
			return text
		}
		return ""
	})
	if notes, err := registry.NodeNotes(t.Context(), time.Hour); err != nil || len(notes) != 0 {
		t.Errorf("the store holds %v, %v", notes, err)
	}
	// Where Redis does not answer within its half second, a node stays listed until it is not heard of any more; not every time.
	for round := 1; ; round++ {
		stop()
		text := look()
		if strings.Contains(text, "Redis  up, ") && strings.Contains(text, "No node was seen lately.") {
			break
		}
		if round == 10 {
			t.Errorf("after it stopped: %s", text)
			break
		}
		stop = announce()
	}
	env = []string{"REGISTRY_REDIS_ADDRS=127.0.0.1:1"}
	if text := look(); !strings.Contains(text, "Redis  away: ") || !strings.Contains(text, "No node was seen lately.") {
		t.Errorf("with Redis away: %s", text)
	}
}
