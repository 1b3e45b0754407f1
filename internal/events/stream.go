package events

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// queue is where a lane has its letters from. take and done are for one goroutine each.
type queue interface {
	// take gives up to n letters that are to be delivered now, and that are nobody else's for a while.
	take(ctx context.Context, n int) ([]*letter, error)
	// done says that the endpoint has taken them, or that they are among the dead. It can be done again.
	done(ctx context.Context, letters []*letter) error
	// later counts an attempt and puts the letter off, to be taken again by anybody after that time. The caller has it no more, also when it fails.
	later(ctx context.Context, m *letter, after time.Duration) error
	// tried counts an attempt at a letter that stays with the caller.
	tried(ctx context.Context, m *letter) error
	// keep says that these are still worked on; release, that they are not, and that others may take them at once.
	keep(ctx context.Context, letters []*letter) error
	release(ctx context.Context, letters []*letter) error
}

var (
	// errNotOurs: another node sends to this ordered endpoint.
	errNotOurs = errors.New("another node sends to this endpoint")
	// errAnew: this node sends to an ordered endpoint from now on. What it had before is void.
	errAnew = errors.New("this node sends to the endpoint from now on")
	// errLapsed: for so long was it not certain that this node is the one to send to an ordered endpoint, that another may be. What it has is void.
	errLapsed = errors.New("another node may send to this endpoint")
)

// stream is the queue of an endpoint in Redis.
type stream struct {
	*remote
	endpoint *Endpoint
	instance string
	registry Registry

	cursor  string    // how far letters of others were looked for; empty while that was done lately
	looked  time.Time // when that was done last
	renewed time.Time // of an ordered endpoint: since when it is certain that nobody else sends to it
	current bool      // of an ordered endpoint: all that was given to nodes before is here

	mu    sync.Mutex
	spare []unread // given to this node, and not yet read
}

// begin is where the search for letters of others begins, and what it gives when it is over.
const begin = "0-0"

func (s *stream) take(ctx context.Context, n int) ([]*letter, error) {
	asked := time.Now()
	err := s.fetch(ctx, n)
	switch {
	case !s.endpoint.Ordered:
	case err == errNotOurs || err == errAnew:
		s.void()
		return nil, err
	case err == nil && time.Since(asked) < s.times.lease*2/3:
		s.renewed = asked
	case time.Since(s.renewed) > s.times.lease*2/3:
		s.void()
		return nil, errLapsed
	}
	if n == 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.times.lease/3) // so that a lease is renewed in time
	defer cancel()
	s.mu.Lock()
	all := s.spare
	s.spare = slices.Clone(all) // they are kept for this node meanwhile
	s.mu.Unlock()
	letters, failed, left := open(ctx, s.registry, s.endpoint, all[:min(n, len(all))])
	for _, u := range failed { // no attempt was made; if this fails too, others find it
		_, _ = s.run(ctx, laterScript, s.endpoint.Name, s.instance, u.id, u.at, s.times.stale.Milliseconds()/8, 0)
	}
	s.mu.Lock()
	s.spare = slices.Concat(left, all[min(n, len(all)):])
	s.mu.Unlock()
	return letters, err
}

// void forgets what was given to this node: it is given again to whoever sends next.
func (s *stream) void() {
	s.cursor, s.current, s.renewed = "", false, time.Now()
	s.mu.Lock()
	s.spare = nil
	s.mu.Unlock()
}

// fetch has n messages in spare, if there are so many.
func (s *stream) fetch(ctx context.Context, n int) error {
	if s.cursor == "" && time.Since(s.looked) > s.times.stale/4 {
		s.cursor = begin
	}
	idle, lease := s.times.stale.Milliseconds(), int64(0)
	if s.endpoint.Ordered {
		lease = s.times.lease.Milliseconds()
		if !s.current { // there is one holder at a time, so all that is pending is the caller's
			idle = 0
			if s.cursor == "" {
				s.cursor = begin
			}
		}
	}
	n = max(n-len(s.spare), 0)
	if n == 0 && lease == 0 {
		return nil
	}
	answer, err := s.run(ctx, takeScript, s.endpoint.Name, s.instance, n, idle, s.cursor, lease)
	if err != nil {
		if s.cursor = ""; s.current { // letters may have been given that did not arrive
			s.void()
		}
		return err
	}
	switch text(answer, 0) {
	case "taken":
		return errNotOurs
	case "fresh":
		return errAnew
	}
	if n > 0 && s.cursor != "" {
		if s.cursor = text(answer, 0); s.cursor == begin {
			s.cursor, s.looked, s.current = "", time.Now(), true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i+3 < len(answer); i += 4 {
		u := unread{id: text(answer, i+1), at: text(answer, i), best: text(answer, i) == ""}
		if body := text(answer, i+2); body != "" {
			u.note = []byte(body)
		}
		u.attempts, _ = strconv.Atoi(text(answer, i+3))
		s.spare = append(s.spare, u)
	}
	return nil
}

func (s *stream) done(ctx context.Context, letters []*letter) error {
	var receipts []receipt
	for _, m := range letters {
		if !m.best {
			receipts = append(receipts, receipt{s.endpoint.Name, m.id, m.at})
		}
	}
	over, err := s.taken(ctx, receipts)
	if len(over) > 0 {
		s.settle(over...)
	}
	return err
}

func (s *stream) later(ctx context.Context, m *letter, after time.Duration) error {
	_, err := s.run(ctx, laterScript, s.endpoint.Name, s.instance, m.id, m.at, after.Milliseconds())
	return err
}

func (s *stream) tried(ctx context.Context, m *letter) error {
	return s.later(ctx, m, -time.Millisecond)
}

func (s *stream) keep(ctx context.Context, letters []*letter) error { return s.hold(ctx, letters, 0) }

func (s *stream) release(ctx context.Context, letters []*letter) error {
	return s.hold(ctx, letters, s.times.stale)
}

func (s *stream) hold(ctx context.Context, letters []*letter, idle time.Duration) error {
	if len(letters) == 0 && (idle == 0 || !s.endpoint.Ordered) {
		return nil
	}
	args := []any{s.endpoint.Name, s.instance, idle.Milliseconds()}
	for _, m := range letters {
		if !m.best {
			args = append(args, m.at)
		}
	}
	_, err := s.run(ctx, holdScript, args...)
	return err
}
