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
	stop := startAnnouncing(t.Context(), view, me, func() int { return 42 }, true, zap.NewNop())
	t.Cleanup(stop)

	env := []string{"REGISTRY_REDIS_ADDRS=" + c.Redis.Addrs[0]}
	look := func() string {
		t.Helper()
		code, stdout, stderr := invoke(t, env, "cluster", "status", "--data", data)
		if code != exitOK || stderr != "" {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		return stdout
	}
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(look(), "some-node  v1.2.3") {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the node is not listed: %s", look())
		}
	}
	if text := look(); !strings.Contains(text, "Redis  up, ") || !strings.Contains(text, "  42       up     up\n") {
		t.Errorf("got %s", text)
	}
	if notes, err := registry.NodeNotes(t.Context(), time.Hour); err != nil || len(notes) != 0 {
		t.Errorf("the store holds %v, %v", notes, err)
	}
	stop()
	if text := look(); !strings.Contains(text, "No node was seen lately.") {
		t.Errorf("after it stopped: %s", text)
	}
	env = []string{"REGISTRY_REDIS_ADDRS=127.0.0.1:1"}
	if text := look(); !strings.Contains(text, "Redis  away: ") || !strings.Contains(text, "No node was seen lately.") {
		t.Errorf("with Redis away: %s", text)
	}
}
