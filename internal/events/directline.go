package events

import (
	"context"
	"slices"
	"time"
)

// line is what waits for one endpoint. It is a queue.
type line struct {
	*direct
	endpoint *Endpoint
	opener   *opener
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
	waiting := l.pick(n)
	letters, failed, left := l.opener.open(ctx, waiting)
	for _, u := range failed { // no attempt was made
		l.putOff(u.id, l.times.directWalk, u.attempts)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, len(left))
	for i, u := range left {
		ids[i] = u.id
		delete(l.hand, u.id)
	}
	l.fresh = slices.Concat(ids, l.fresh)
	return letters, nil
}

// pick takes up to n entries out of what waits: at most half of them, of what is due again.
func (l *line) pick(n int) []unread {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	now := time.Now()
	for len(ids) < (n+1)/2 && len(l.put) > 0 && !l.put[0].due.After(now) {
		ids, l.put = append(ids, l.put[0].id), l.put[1:]
	}
	k := min(n-len(ids), len(l.fresh))
	ids, l.fresh = append(ids, l.fresh[:k]...), l.fresh[k:]
	picked := make([]unread, len(ids))
	for i, id := range ids {
		l.hand[id] = true
		picked[i] = unread{id: id, attempts: l.attempts[id], note: l.recent.note(id)}
	}
	return picked
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
			l.recent.drop(m.id)
			l.registry.Settle(m.id)
		}
	}
	return nil
}

func (l *line) later(_ context.Context, m *letter, after time.Duration, _ bool) error {
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

// These are for queues that others share. What a lane has in hand when it ends, the next relay finds in the journal.
func (l *line) tried(context.Context, *letter) error     { return nil }
func (l *line) keep(context.Context, []*letter) error    { return nil }
func (l *line) release(context.Context, []*letter) error { return nil }
