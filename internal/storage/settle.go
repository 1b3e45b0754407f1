package storage

import (
	"context"
	"sync"
	"time"
)

const (
	settleEvery = time.Second
	settleBatch = 1000    // keys in one request
	settleMost  = 100_000 // keys that wait; more are left to whoever walks the journal
)

// settled are the keys of journal entries of which nothing is left to be done, and of what was handed over and taken. They are removed many at a time: what
// is lost with the process is found again.
type settled struct {
	mu   sync.Mutex
	keys []string
}

// Settle forgets entries of the journal, soon. It costs no request of its own (see RunJournal).
func (r *Registry) Settle(ids ...string) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = r.keys.entry(id)
	}
	r.settled.add(keys)
}

// RunJournal removes settled entries, once a second, until ctx ends, and then those that are left.
func (r *Registry) RunJournal(ctx context.Context) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = r.FlushJournal(ctx) // what failed is tried again
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
			defer cancel()
			_ = r.FlushJournal(last)
			return
		}
	}
}

// FlushJournal removes what is settled now. What is settled meanwhile waits for the next time, unless a whole batch of it has come: few requests of many keys.
func (r *Registry) FlushJournal(ctx context.Context) error {
	for {
		batch := r.settled.take()
		if len(batch) == 0 {
			return nil
		}
		if err := r.driver.Delete(ctx, batch...); err != nil {
			r.settled.add(batch)
			return err
		}
		if len(batch) < settleBatch {
			return nil
		}
	}
}

func (s *settled) add(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := settleMost - len(s.keys); len(keys) > room {
		keys = keys[:max(room, 0)]
	}
	s.keys = append(s.keys, keys...)
}

func (s *settled) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.keys), settleBatch)
	batch := s.keys[:n:n]
	s.keys = s.keys[n:]
	return batch
}
