//go:build stores

package compat_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/teststore"
)

// TestRedisTooEarly: the new nodes have Redis, of which the old ones know nothing. Uploads go on from one to the other all the same. What old nodes change, the
// new ones may not see for a second, and no longer: therefore docs/operations.md wants Redis turned on when all nodes are new.
func TestRedisTooEarly(t *testing.T) {
	t.Parallel()
	redis, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Stop)
	c, old, now := sides(t)
	now.becomes("new", "", "REGISTRY_REDIS_ADDRS="+redis.Addr, "REGISTRY_UPLOADS_PROVIDER=redis")
	t.Run("push", func(t *testing.T) {
		for _, way := range ways {
			if strings.HasPrefix(way.name, "docker, small") || strings.HasPrefix(way.name, "chunks of 8") || strings.HasPrefix(way.name, "two") {
				t.Run(way.name, func(t *testing.T) { both(t, old, now, way.run) })
			}
		}
	})
	repo, tag := "early", "/v2/early/manifests/moves"
	contents := [][]byte{old.image(repo, "1"), old.image(repo, "2")}
	old.put(repo, contents[0], "moves")
	for i := range 4 {
		now.serves(repo, "moves", contents[i%2])
		next := contents[(i+1)%2]
		old.put(repo, next, "moves")
		moved := time.Now()
		now.until(tag, func(a *answer) bool {
			return a.status == http.StatusOK && a.header.Get("Docker-Content-Digest") == digest.FromBytes(next).String()
		})
		t.Logf("the new release serves what the old one has pushed after %v", time.Since(moved))
	}
	old.remove(tag)
	now.until(tag, func(a *answer) bool { return a.status == http.StatusNotFound })
	fsck(t, c.Store, newProgram(t))
}

// until asks for target until the answer is as it shall be.
func (s *side) until(target string, good func(*answer) bool) {
	s.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.NewTimer(2*time.Minute)
	defer tick.Stop()
	defer end.Stop()
	for {
		a := s.ask(http.MethodHead, target, request{})
		if good(a) {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			s.Fatalf("%s: status %d, %v", a.what, a.status, a.header)
		}
	}
}
