package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestReadyFlips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store error
		var pings int
		r := newReadiness(func(context.Context) error { pings++; return store }, zap.NewNop())
		check := func(want error, wantPings int) {
			t.Helper()
			if err := r.check(t.Context()); err != want || pings != wantPings {
				t.Errorf("got %v after %d pings, want %v after %d", err, pings, want, wantPings)
			}
		}
		check(nil, 1)
		store = errors.New("secret host name")
		check(nil, 1) // an answer holds for a second
		pass(pingCache)
		check(errNotReadyStore, 2)
		store = nil
		check(errNotReadyStore, 2)
		pass(pingCache)
		check(nil, 3)
		r.drain()
		check(errNotReadyDraining, 3)
	})
}

func TestReadyOfAHungStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings atomic.Int32
		hung := make(chan struct{})
		r := newReadiness(func(context.Context) error { pings.Add(1); <-hung; return nil }, zap.NewNop())
		start := time.Now()
		for range 3 {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if err := r.check(t.Context()); err != errNotReadyStore {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if d := time.Since(start); pings.Load() != 1 || d != 3*pingTimeout {
			t.Errorf("%d pings in %v", pings.Load(), d)
		}
		close(hung)
		synctest.Wait()
		if err := r.check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestHealthIsOnBothListeners(t *testing.T) {
	t.Parallel()
	opts := options(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "api ", r.URL.EscapedPath()) })
	opts.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "metrics") })
	opts.MetricsPath = "/metrics"
	opts.Cluster = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "cluster") })
	var down atomic.Bool
	opts.Ping = func(context.Context) error {
		if down.Load() {
			return errors.New("secret host name")
		}
		return nil
	}
	main, debug := tcp(t), tcp(t)
	down.Store(true)
	run(t, opts, main, debug)
	tests := []struct {
		debug  bool
		path   string
		status int
		body   string
	}{
		{false, "/healthz", 200, "ok"},
		{true, "/healthz", 200, "ok"},
		{false, "/readyz", 503, errNotReadyStore.Error()},
		{true, "/readyz", 503, errNotReadyStore.Error()},
		{true, "/metrics", 200, "metrics"},
		{false, "/metrics", 200, "api /metrics"},
		{true, "/cluster", 200, "cluster"},
		{false, "/cluster", 200, "api /cluster"},
		{false, "/v2/healthz", 200, "api /v2/healthz"},
		{false, "/v2//a/../%2e/", 200, "api /v2//a/../%2e/"}, // no path is cleaned on its way to the api
		{true, "/v2/", 404, "404 page not found"},
	}
	for _, tt := range tests {
		l := main
		if tt.debug {
			l = debug
		}
		if status, body := get(t, l, tt.path); status != tt.status || body != tt.body {
			t.Errorf("%s (debug: %v): got %d %q, want %d %q", tt.path, tt.debug, status, body, tt.status, tt.body)
		}
	}
}

// Probes can be found in a proxy's log, as all other requests.
func TestHealthHasARequestID(t *testing.T) {
	t.Parallel()
	handler := withHealth(newReadiness(up, zap.NewNop()), http.NotFoundHandler())
	for _, path := range []string{"/healthz", "/readyz"} {
		for _, sent := range []string{"", "a-proxy's"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Header.Set("X-Request-Id", sent)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Header().Get("X-Request-Id"); got == "" || sent != "" && got != sent {
				t.Errorf("%s: X-Request-Id %q was answered with %q", path, sent, got)
			}
		}
	}
}
