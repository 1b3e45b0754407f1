package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// handlerCache is for how long an answer holds, so that whoever asks, and however often, costs the store and Redis next to nothing.
const handlerCache = time.Second

// Handler answers with the status as JSON. It is always 200: that something is away is what the status tells.
func Handler(v View) http.Handler { return &handler{view: v} }

type handler struct {
	view View

	mu   sync.Mutex // held while a status is put together, which takes a few seconds at most
	at   time.Time
	body []byte
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := h.status(context.WithoutCancel(r.Context())) // others wait for it, too
	if err != nil {
		http.Error(w, "the status cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

func (h *handler) status(ctx context.Context) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.body != nil && time.Since(h.at) < handlerCache {
		return h.body, nil
	}
	body, err := json.Marshal(h.view.Status(ctx))
	if err != nil {
		return nil, err
	}
	h.at, h.body = time.Now(), append(body, '\n')
	return h.body, nil
}
