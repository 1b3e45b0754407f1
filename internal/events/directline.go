package events

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// line is what waits for one endpoint. It is a queue.
type line struct {
	*direct
	endpoint *Endpoint
	lane     *lane

	fresh    []string        // in the order in which they became known
	put      []postponed     // by when they are due
	attempts map[string]int  // of what was put off
	hand     map[string]bool // taken, and not done
}

type postponed struct {
	due time.Time
	id  string
}

func (l *line) take(ctx context.Context, n int) ([]*letter, error) {
	l.mu.Lock()
	var ids []string
	now := time.Now()
	for len(ids) < (n+1)/2 && len(l.put) > 0 && !l.put[0].due.After(now) {
		ids, l.put = append(ids, l.put[0].id), l.put[1:]
	}
	k := min(n-len(ids), len(l.fresh))
	ids, l.fresh = append(ids, l.fresh[:k]...), l.fresh[k:]
	for _, id := range ids {
		l.hand[id] = true
	}
	notes, attempts := make([][]byte, len(ids)), make([]int, len(ids))
	for i, id := range ids {
		notes[i], attempts[i] = l.recent[id], l.attempts[id]
	}
	l.mu.Unlock()

	letters := make([]*letter, len(ids))
	var group errgroup.Group
	group.SetLimit(16)
	for i, id := range ids {
		group.Go(func() error {
			note, err := notes[i], error(nil)
			if note == nil {
				note, err = l.read(ctx, id)
			}
			if err != nil { // no attempt was made
				l.putOff(id, l.times.directWalk, attempts[i])
				return nil
			}
			letters[i] = l.endpoint.newLetter(id, note)
			letters[i].attempts = attempts[i]
			return nil
		})
	}
	_ = group.Wait()
	return slices.DeleteFunc(letters, func(m *letter) bool { return m == nil }), nil
}

// read gives the note of an entry. One that is gone has none.
func (l *line) read(ctx context.Context, id string) ([]byte, error) {
	entry, err := l.registry.Entry(ctx, id)
	if err != nil || entry == nil {
		return nil, err
	}
	return entry.Note, nil
}

func (l *line) done(_ context.Context, letters []*letter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range letters {
		delete(l.hand, m.id)
		delete(l.attempts, m.id)
		l.pairs--
		if len(l.told) < directMost {
			l.told = append(l.told, receipt{endpoint: l.endpoint.Name, id: m.id})
		}
		t := l.entries[m.id]
		if t.left--; t.left == 0 {
			t.ended = time.Now()
			l.bytes -= len(l.recent[m.id])
			delete(l.recent, m.id)
			l.registry.Settle(m.id)
		}
	}
	return nil
}

func (l *line) later(_ context.Context, m *letter, after time.Duration) error {
	l.putOff(m.id, after, m.attempts)
	return nil
}

func (l *line) putOff(id string, after time.Duration, attempts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := postponed{time.Now().Add(after), id}
	at, _ := slices.BinarySearchFunc(l.put, p, func(a, b postponed) int { return a.due.Compare(b.due) })
	l.put = slices.Insert(l.put, at, p)
	l.attempts[id] = attempts
	delete(l.hand, id)
}

// These are for queues that others share.
func (l *line) tried(context.Context, *letter) error     { return nil }
func (l *line) keep(context.Context, []*letter) error    { return nil }
func (l *line) release(context.Context, []*letter) error { return nil }
