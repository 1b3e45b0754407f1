package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/requestid"
)

const (
	pingTimeout = 2 * time.Second // for the store to answer
	pingCache   = time.Second     // for which an answer holds, so that probes cost the store next to nothing
)

var (
	errNotReadyDraining = errors.New("this node is draining; send requests to another one")
	errNotReadyStore    = errors.New("the store does not answer; see the log of this node")
)

// readiness tells whether this node should get requests.
type readiness struct {
	ping func(context.Context) error
	log  *zap.Logger

	mu       sync.Mutex
	draining bool
	asked    time.Time     // when last is from
	last     error         // the store's last answer
	pending  chan struct{} // closed when the ping under way is answered; nil if there is none
}

func newReadiness(ping func(context.Context) error, log *zap.Logger) *readiness {
	return &readiness{ping: ping, log: log}
}

func (r *readiness) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
}

// check gives nil, or a sentence for whoever asks. However many ask, and however long the store takes, one ping is under way at most.
func (r *readiness) check(ctx context.Context) error {
	r.mu.Lock()
	if r.draining {
		r.mu.Unlock()
		return errNotReadyDraining
	}
	if !r.asked.IsZero() && time.Since(r.asked) < pingCache {
		defer r.mu.Unlock()
		return r.last
	}
	if r.pending == nil {
		r.pending = make(chan struct{})
		go r.ask(r.pending)
	}
	pending := r.pending
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	select {
	case <-pending:
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.draining {
			return errNotReadyDraining
		}
		return r.last
	case <-ctx.Done():
		return errNotReadyStore
	}
}

// ask pings the store, and logs when its answer changes.
func (r *readiness) ask(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	err := r.ping(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && r.last == nil:
		r.log.Warn("not ready: the store does not answer", zap.Error(err))
	case err == nil && r.last != nil:
		r.log.Info("ready again: the store answers")
	}
	r.last = nil
	if err != nil {
		r.last = errNotReadyStore
	}
	r.asked, r.pending = time.Now(), nil
	close(done)
}

// withHealth answers /healthz and /readyz, and leaves all other paths to next as they came.
func withHealth(ready *readiness, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			w.Header().Set(requestid.Header, requestid.Of(r))
			say(w, http.StatusOK, "ok")
		case "/readyz":
			w.Header().Set(requestid.Header, requestid.Of(r))
			if err := ready.check(r.Context()); err != nil {
				say(w, http.StatusServiceUnavailable, err.Error())
			} else {
				say(w, http.StatusOK, "ok")
			}
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, sentence)
}
