package facts

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// Between two looks at the lease of another reader.
const (
	firstPause = 2 * time.Millisecond
	longPause  = 16 * time.Millisecond
)

// found is what a reader found in Redis: a fact, or the lease under which it is to read.
type found struct {
	fact    storage.Fact
	hit     bool
	trusted bool   // the server that gave it had been known for long enough when it was asked, and was not replaced by another meanwhile
	lease   string // empty if it is not certain to have stood there: one that a late look puts there, behind the back of its reader, may be younger than the read
	own     bool   // nobody else has read under lease before
	waited  bool   // for another reader
}

// find looks until there is a fact, or none to be expected soon. An error: Redis cannot be asked, or ctx has ended.
//
// It waits for one lease only. Where another one stands after it, the first reader found nothing to remember, or there was a change; with many at a
// record that is not there, each would wait for all those before it.
func (f *Facts) find(ctx context.Context, key string) (found, error) {
	mine, first := newLease(), ""
	giveUp := time.Now().Add(f.times.patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		asked, trusted := time.Now(), f.conn.Trusted()
		answer, err := f.run(ctx, f.scripts.look, key, mine, f.times.life.Milliseconds())
		if err != nil {
			return found{}, err
		}
		if answer == nil || answer == mine {
			return found{lease: mine, own: true}, nil
		}
		stands, _ := answer.(string)
		if !isLease(stands) {
			fact, ok := decode(stands) // what is neither is none of ours, and is deleted when there is something to fill
			trusted = trusted && f.conn.Trusted() && time.Since(asked) < f.times.life
			return found{fact: fact, hit: ok, trusted: trusted, waited: first != ""}, nil
		}
		if first == "" {
			first = stands
		}
		left := time.Until(giveUp)
		if stands != first || left <= 0 {
			return found{lease: stands}, nil
		}
		if err := waitUntil(ctx, time.Now().Add(min(left, pause/2+rand.N(pause)))); err != nil {
			return found{}, err
		}
	}
}
