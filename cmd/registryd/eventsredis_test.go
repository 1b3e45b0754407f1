//go:build stores

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/teststore"
)

// With Redis it is known what waits for each endpoint, also to commands, and pulls are told of.
func TestEventsWithRedis(t *testing.T) {
	t.Parallel()
	up, down, data := listenForEvents(t), listenForEvents(t), t.TempDir()
	down.status.Store(http.StatusServiceUnavailable)
	env := append(endpointsEnv(fmt.Sprintf("name: up, url: '%s'", up.url), fmt.Sprintf("name: down, url: '%s', ignore: {actions: [pull]}", down.url)),
		"REGISTRY_REDIS_ADDRS="+teststore.Redis(t))
	n, _ := start(t, env, quiet(data)...)
	for _, tag := range []string{"1", "2"} {
		pushIndex(t, n, "a", tag)
		if e := up.next(t); e.Target.Tag != tag {
			t.Errorf("got %+v, want the push of %s", e, tag)
		}
	}
	if status, body := fetch(t, "http://"+n.addr+"/v2/a/manifests/1"); status != http.StatusOK {
		t.Fatalf("the pull gives %d: %s", status, body)
	}
	if e := up.next(t); e.Action != "pull" || e.Target.Tag != "1" {
		t.Errorf("got %+v, want the pull", e)
	}
	await := func(what string, ok func(endpointStatus) bool) {
		t.Helper()
		deadline, tick := time.After(60*time.Second), time.NewTicker(50*time.Millisecond)
		defer tick.Stop()
		for {
			text := eventsCommand(t, data, env, "status", "--json")
			var s eventsStatus
			if err := json.Unmarshal([]byte(text), &s); err != nil || len(s.Endpoints) != 2 {
				t.Fatalf("%s: %v", text, err)
			}
			if ok(s.Endpoints[1]) {
				return
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%s: %s", what, text)
			}
		}
	}
	await("two wait", func(e endpointStatus) bool {
		return e.Waiting != nil && *e.Waiting == 2 && !e.UpTo && !e.Oldest.IsZero()
	})
	if text := eventsCommandOf(t, data, env, "cluster", "status"); !strings.Contains(text, "events/down  2 ") || !strings.Contains(text, "events/up    0 ") {
		t.Errorf("the cluster's status: %s", text)
	}
	down.status.Store(0)
	await("none waits", func(e endpointStatus) bool { return e.Waiting != nil && *e.Waiting == 0 && e.Oldest.IsZero() })
	got := map[string]bool{down.next(t).Target.Tag: true, down.next(t).Target.Tag: true}
	if !got["1"] || !got["2"] {
		t.Errorf("got %v", got)
	}
}
