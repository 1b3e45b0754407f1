package events

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// handover is what this node was told of while it neither has Redis nor delivers by itself: the relay is another node. What does not fit, that one finds.
type handover struct {
	mu    sync.Mutex
	all   []storage.Handed
	bytes int           // of their notes
	wake  chan struct{} // so much has come that it is not to wait for its second
}

const (
	handNotes = 512 << 10 // bytes of notes that are handed over at once: in the store they take a third more
	handTime  = 5 * time.Second
)

func (h *handover) add(orders []order) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range orders {
		if len(h.all) == storage.HandedMost || h.bytes+len(o.note) > handNotes {
			continue
		}
		h.all, h.bytes = append(h.all, storage.Handed{ID: o.id, Note: o.note}), h.bytes+len(o.note)
	}
	if 2*len(h.all) > storage.HandedMost || 2*h.bytes > handNotes {
		signal(h.wake)
	}
}

func (h *handover) take() []storage.Handed {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all, h.bytes = nil, 0
	return all
}

// handOver hands to the relay, once a second, what it would have to read, until ctx ends.
func (e *Events) handOver(ctx context.Context) {
	tick := time.NewTicker(e.times.hand)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-e.handover.wake:
		case <-ctx.Done():
			return
		}
		all := e.handover.take()
		if len(all) < 2 || e.direct.Load() != nil || e.redis() {
			continue // a single one is as cheap to read; and what this node has to see to by now, here or with Redis, it finds
		}
		err := e.handNow(ctx, all)
		if err != nil && !failing && ctx.Err() == nil {
			e.Log.Warn("What is pushed cannot be handed to the node that delivers events; it finds it by itself, at more requests to the store.", zap.Error(err))
		}
		failing = err != nil
	}
}

func (e *Events) handNow(ctx context.Context, all []storage.Handed) error {
	ctx, cancel := context.WithTimeout(ctx, handTime)
	defer cancel()
	return e.Registry.Hand(ctx, all...)
}
