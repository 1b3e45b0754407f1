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
	told := map[string]bool{} // where Redis took too long, an event may come twice
	for _, tag := range []string{"1", "2"} {
		pushIndex(t, n, "a", tag)
		e := up.next(t)
		for told[e.ID] {
			e = up.next(t)
		}
		told[e.ID] = true
		if e.Target.Tag != tag {
			t.Errorf("got %+v, want the push of %s", e, tag)
		}
	}
	eventually(t, func() string { // a pull is not told of where Redis takes too long
		if status, body := fetch(t, "http://"+n.addr+"/v2/a/manifests/1"); status != http.StatusOK {
			t.Fatalf("the pull gives %d: %s", status, body)
		}
		over := time.After(15 * time.Second)
		for {
			select {
			case e := <-up.got:
				if told[e.ID] {
					continue
				}
				if e.Action != "pull" || e.Target.Tag != "1" {
					t.Errorf("got %+v, want the pull", e)
				}
				return ""
			case <-over:
				return "nobody is told of the pulls"
			}
		}
	})
	await := func(what string, ok func(endpointStatus) bool) {
		t.Helper()
		eventually(t, func() string {
			text := eventsCommand(t, data, env, "status", "--json")
			var s eventsStatus
			if err := json.Unmarshal([]byte(text), &s); err != nil || len(s.Endpoints) != 2 {
				t.Fatalf("%s: %v", text, err)
			}
			if !ok(s.Endpoints[1]) {
				return what + ": " + text
			}
			return ""
		})
	}
	await("two wait", func(e endpointStatus) bool {
		return e.Waiting != nil && *e.Waiting == 2 && !e.UpTo && !e.Oldest.IsZero()
	})
	eventually(t, func() string { // the answer of the one that is up may be on its way
		if text := eventsCommandOf(t, data, env, "cluster", "status"); !strings.Contains(text, "events/down  2 ") || !strings.Contains(text, "events/up    0 ") {
			return "the cluster's status: " + text
		}
		return ""
	})
	down.status.Store(0)
	await("none waits", func(e endpointStatus) bool { return e.Waiting != nil && *e.Waiting == 0 && e.Oldest.IsZero() })
	got := map[string]bool{down.next(t).Target.Tag: true, down.next(t).Target.Tag: true}
	if !got["1"] || !got["2"] {
		t.Errorf("got %v", got)
	}
}
