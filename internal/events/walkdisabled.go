package events

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
)

// # Endpoints that were disabled
//
// What waits for an endpoint when it is disabled goes among its dead, so that it can be replayed once it is enabled again. With Redis that is known (forsake).
// Without, nobody knows what it has taken of what stands in the journal: all that it would have heard of counts. What is pushed from then on it is not to
// hear of, and that is nowhere kept for it. An endpoint that is not in the configuration any more cannot be known here.

// isDisabled is why it is dead.
const isDisabled = "the endpoint was disabled"

// changeover is for how long after this process has begun others may still push with the endpoint enabled, or with a clock that is ahead.
const changeover = time.Minute

// fromBefore says whether an entry may be of the time when an endpoint was enabled that is disabled now: this process has begun since.
func (e *Events) fromBefore(id string) bool {
	at, ok := idTime(id)
	return ok && at.Before(e.since.Add(changeover))
}

// keptForDisabled puts an entry that a relay without Redis has found among the dead of the disabled endpoints that wanted it. If that fails it is to be found
// again. Of a replay it takes care elsewhere (nobodyElse).
func (e *Events) keptForDisabled(ctx context.Context, w *watch, entry *storage.Entry, events []Event) bool {
	if e.direct.Load() == nil || len(entry.Endpoints) > 0 || !e.fromBefore(entry.ID) {
		return true
	}
	for _, endpoint := range e.disabled {
		if !endpoint.wouldWantAny(events) {
			continue
		}
		if err := e.buryFor(ctx, entry, isDisabled, endpoint.Name); err != nil {
			return false
		}
		if w.once("endpoint " + endpoint.Name) {
			e.Log.Warn("An endpoint is disabled, and what waited for it goes among the dead: enable it, then replay them, or drop them.",
				zap.String("endpoint", endpoint.Name))
		}
	}
	return true
}
