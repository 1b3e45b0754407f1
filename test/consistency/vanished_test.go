//go:build stores

package consistency_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/test/integration/cluster"
	"github.com/registryd/registryd/test/rawclient"
)

// backWithin is how long a client that vanished may be kept from its own upload. It takes five seconds until its old request counts as one that stands
// still, and two until the claim of that is stale; the rest is for machines that have much to do. http.timeouts.body, which the test sets to ten minutes, is
// when the old request ends by itself.
const backWithin = 2 * time.Minute

// TestVanishedClient: a client loses its way to a node in the middle of a PATCH, without a FIN, and comes back to another one.
func TestVanishedClient(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 2, Redis: true, Provider: "redis", Env: []string{"REGISTRY_HTTP_TIMEOUTS_BODY=10m"}})
	s := newStress(t, urls(c), 0)
	content := bytes.Repeat([]byte("registryd "), 100_000)
	begun, err := s.ask("POST upload", http.MethodPost, s.nodes[0]+"/v2/team/app/blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(s.nodes[0], "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", location(begun), host, len(content), content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	target := s.nodes[1] + location(begun)
	patch := func() rawclient.Answer {
		a, err := rawclient.Send(t.Context(), s.http, http.MethodPatch, target, content)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	admin := redis.NewClient(&redis.Options{Addr: c.Redis.Addr()})
	defer admin.Close()
	for deadline := time.Now().Add(backWithin); ; { // until the first one is at the upload
		keys, err := admin.Keys(t.Context(), "registryd:*:upload:*").Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) > 0 && admin.HGet(t.Context(), keys[0], "claim").Val() != "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no request claims the upload")
		}
		pass(t.Context(), 20*time.Millisecond)
	}
	back := time.Now()
	a := patch()
	for ; a.Status == http.StatusRequestedRangeNotSatisfiable && time.Since(back) < backWithin; a = patch() {
		pass(t.Context(), 100*time.Millisecond)
	}
	took := time.Since(back)
	if a.Status != http.StatusAccepted {
		t.Fatalf("after %v: status %d: %.300s", took, a.Status, a.Body)
	}
	t.Logf("it went on after %v", took)
	if _, err := s.ask("PUT upload", http.MethodPut, s.nodes[0]+location(a)+"?digest="+digest.FromBytes(content).String(), nil, http.StatusCreated); err != nil {
		t.Error(err)
	}
	c.Check(t)
}
