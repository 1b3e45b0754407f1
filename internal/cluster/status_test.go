package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/cluster"
)

type source struct {
	queues []cluster.Queue
	err    error
}

func (s source) Queues(context.Context) ([]cluster.Queue, error) { return s.queues, s.err }

func up(context.Context) error { return nil }

// hung is what does not answer before its time is over.
func hung(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		board := &memoryBoard{}
		for _, instance := range []string{"c", "a", "b"} {
			must(t, board.Announce(t.Context(), cluster.Node{Instance: instance}))
		}
		now := time.Now().UTC()
		s := cluster.View{Board: board, Store: up}.Status(t.Context())
		if s.Store.State != cluster.Up || s.Redis.State != cluster.NotConfigured || len(s.Queues)+len(s.Errors) != 0 || !s.At.Equal(now) {
			t.Errorf("got %+v", s)
		}
		if len(s.Nodes) != 3 || s.Nodes[0].Instance != "a" || s.Nodes[2].Instance != "c" {
			t.Errorf("the nodes are %v", s.Nodes)
		}
		if text, err := json.Marshal(s); err != nil || strings.Contains(string(text), "queues") || strings.Contains(string(text), "errors") {
			t.Errorf("it says what there is not: %s", text)
		}

		board.set(true)
		waiting := source{queues: []cluster.Queue{{Name: "hook", Depth: 7, Oldest: now}}}
		s = cluster.View{Board: board, Store: hung, Redis: func(context.Context) error { return errors.New("no\n\tway " + strings.Repeat("ü", 300)) },
			Sources: []cluster.Source{waiting, source{err: errAway}}}.Status(t.Context())
		if s.Store.State != cluster.Away || s.Store.Error != "it does not answer in time" {
			t.Errorf("the store is %+v", s.Store)
		}
		if s.Redis.State != cluster.Away || !strings.HasPrefix(s.Redis.Error, "no way ü") || !strings.HasSuffix(s.Redis.Error, "ü...") || len(s.Redis.Error) > 310 {
			t.Errorf("Redis is %+v", s.Redis)
		}
		if len(s.Queues) != 1 || s.Queues[0] != waiting.queues[0] || s.Nodes == nil || len(s.Nodes) != 0 {
			t.Errorf("the queues are %v, the nodes %v", s.Queues, s.Nodes)
		}
		if len(s.Errors) != 2 || s.Errors[0] != "The nodes cannot be listed: away." || s.Errors[1] != "A queue cannot be counted: away." {
			t.Errorf("the errors are %q", s.Errors)
		}
		if d := time.Since(now); d > 3*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// However many ask, the store is asked once a second; one who hangs up spoils it for nobody.
func TestHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		handler := cluster.Handler(cluster.View{Board: &memoryBoard{}, Store: func(ctx context.Context) error { pings++; return ctx.Err() }})
		ask := func(ctx context.Context) cluster.Status {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/cluster", nil))
			var s cluster.Status
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			return s
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if s := ask(gone); s.Store.State != cluster.Up {
			t.Errorf("the store is %+v", s.Store)
		}
		for range 9 {
			<-time.After(100 * time.Millisecond)
			ask(t.Context())
		}
		if pings != 1 {
			t.Errorf("%d pings in a second", pings)
		}
		<-time.After(200 * time.Millisecond)
		if ask(t.Context()); pings != 2 {
			t.Errorf("%d pings after that second", pings)
		}
	})
}
