package events

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"
)

// stream is the queue of an endpoint in Redis.
type stream struct {
	*remote
	endpoint *Endpoint
	opener   *opener
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
	limit := s.times.lease
	if s.endpoint.Ordered { // so that its lease is renewed in time
		limit /= 3
	}
	reading, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	all := s.spare // it stays there meanwhile, so that it is kept for this node
	letters, failed, left := s.opener.open(reading, all[:min(n, len(all))])
	for _, u := range failed { // no attempt was made; if this fails too, others find it
		_, _ = s.run(ctx, laterScript, s.endpoint.Name, s.instance, u.id, u.at, s.times.stale.Milliseconds()/8, 0)
	}
	s.mu.Lock()
	s.spare = slices.Concat(left, all[min(n, len(all)):])
	s.mu.Unlock()
	return letters, err
}

// void is for when another node may have what was given to this one.
func (s *stream) void() {
	s.forget()
	s.renewed = time.Now()
}

// forget has all that was given to nodes looked for; of an ordered endpoint that is what this one has, too.
func (s *stream) forget() {
	s.cursor, s.current = "", false
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoint.Ordered {
		s.spare = slices.DeleteFunc(s.spare, func(u unread) bool { return !u.best })
	}
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
		s.forget() // letters may have been given that did not arrive
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
		s.registry.Settle(over...)
	}
	return err
}

func (s *stream) later(ctx context.Context, m *letter, after time.Duration, failed bool) error {
	_, err := s.run(ctx, laterScript, s.endpoint.Name, s.instance, m.id, m.at, after.Milliseconds(), bit(failed))
	return err
}

func (s *stream) tried(ctx context.Context, m *letter) error {
	return s.later(ctx, m, -time.Millisecond, true)
}

func (s *stream) keep(ctx context.Context, letters []*letter) error { return s.hold(ctx, letters, 0) }

func (s *stream) release(ctx context.Context, letters []*letter) error {
	return s.hold(ctx, letters, s.times.stale)
}

func (s *stream) hold(ctx context.Context, letters []*letter, idle time.Duration) error {
	args := []any{s.endpoint.Name, s.instance, idle.Milliseconds()}
	for _, m := range letters {
		if !m.best {
			args = append(args, m.at)
		}
	}
	s.mu.Lock()
	for _, u := range s.spare {
		if !u.best {
			args = append(args, u.at)
		}
	}
	s.mu.Unlock()
	if len(args) == 3 && (idle == 0 || !s.endpoint.Ordered) {
		return nil
	}
	_, err := s.run(ctx, holdScript, args...)
	return err
}
