package events

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/storage"
)

// forsaken is an entry that waits for endpoints that no node has.
type forsaken struct {
	id        string
	endpoints string // with spaces between them
}

// nobodyHas is why it is dead.
const nobodyHas = "no node has this endpoint any more"

// forsake puts what waits for endpoints that are gone among the dead, then has Redis forget that it waits. What fails is found again with the next walk.
func (e *Events) forsake(ctx context.Context, w *watch, all []forsaken) {
	buried := make([]bool, len(all))
	var group errgroup.Group
	group.SetLimit(8)
	for i, f := range all {
		group.Go(func() error {
			entry, err := e.Registry.Entry(ctx, f.id)
			if err == nil && entry != nil {
				err = e.buryFor(ctx, entry, nobodyHas, strings.Fields(f.endpoints)...)
			}
			buried[i] = err == nil // so is one that is gone
			return nil
		})
	}
	_ = group.Wait()
	var receipts []receipt
	for i, f := range all {
		if !buried[i] {
			continue
		}
		for _, name := range strings.Fields(f.endpoints) {
			receipts = append(receipts, receipt{endpoint: name, id: f.id})
		}
		for _, name := range w.muster.news(f.endpoints) {
			e.sayGone(name)
		}
	}
	over, _ := e.remote.taken(ctx, receipts)
	e.Registry.Settle(over...)
}

// nobodyElse says, without Redis, whether a replay need wait no longer for endpoints of other nodes: they had time to become the relay, and what is for
// these endpoints is among the dead again. Where Redis is only away, that shows later.
func (e *Events) nobodyElse(ctx context.Context, w *watch, entry *storage.Entry, foreign []string) bool {
	if watched, _ := w.watched(entry.ID); e.remote != nil || watched <= e.times.gone || e.buryFor(ctx, entry, nobodyHas, foreign...) != nil {
		return false
	}
	for _, name := range foreign {
		if w.once("endpoint " + name) {
			e.sayGone(name)
		}
	}
	return true
}

// buryFor puts the events of an entry among the dead of some endpoints.
func (e *Events) buryFor(ctx context.Context, entry *storage.Entry, reason string, endpoints ...string) error {
	for _, name := range endpoints {
		dead := storage.DeadEvent{ID: entry.ID, Time: time.Now().UTC(), Reason: reason, Note: entry.Note}
		if err := e.Registry.PutDead(ctx, name, dead); err != nil {
			return err
		}
	}
	return nil
}

func (e *Events) sayGone(name string) {
	e.Log.Warn("No node has this endpoint any more, and what waits for it goes among the dead: if that is a mistake, configure it again, then replay them.",
		zap.String("endpoint", name))
}
