//go:build stores

package consistency_test

import (
	"context"
	"crypto/rand"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/facts"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// trio is three nodes in this process, on one store and one Redis of their own, to which each has a way of its own.
type trio struct {
	redis *teststore.Process
	admin *redis.Client // straight to Redis
	links []*link
	urls  []string
}

// remembering is how the nodes of a trio remember facts: as registryd does, or with a mistake.
type remembering func(conn *redisconn.Conn, namespace string) storage.Facts

func asBuilt(conn *redisconn.Conn, namespace string) storage.Facts {
	return facts.New(conn, facts.Options{Namespace: namespace})
}

func newTrio(t *testing.T, driver func() drivers.Driver, remember remembering) *trio {
	t.Helper()
	process, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	c := &trio{redis: process, admin: redis.NewClient(&redis.Options{Addr: process.Addr, ContextTimeoutEnabled: true, ReadTimeout: time.Minute})}
	t.Cleanup(func() { _ = c.admin.Close() })
	namespace := "test-" + rand.Text()
	for range 3 {
		way := newLink(t, process.Addr)
		conn, err := redisconn.Open(redisconn.Config{Addrs: []string{way.addr}}, redisconn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		registry := storage.New(driver(), storage.Options{Facts: remember(conn, namespace), CacheBytes: 8 << 20})
		tokens, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("a secret that all nodes share")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(api.New(registry, tokens, api.Options{}))
		server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
		server.Start()
		t.Cleanup(server.Close)
		c.links = append(c.links, way)
		c.urls = append(c.urls, server.URL)
	}
	return c
}

// repair ends all that was done to Redis and the ways to it.
func (c *trio) repair(t *testing.T) {
	t.Helper()
	for _, way := range c.links {
		way.works()
	}
	c.flush(t)
}

func (c *trio) flush(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.admin.FlushAll(ctx).Err(); err != nil {
		t.Errorf("flush Redis: %v", err)
	}
}
