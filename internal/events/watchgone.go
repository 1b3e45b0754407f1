package events

import (
	"context"
	"slices"
	"strings"
	"time"
)

// muster knows which endpoints no node has any more. Each node says in Redis which it has, and when; where that stays the same nobody says so. For how long is
// measured here, by this process's own clock, and only while Redis answers: neither a Redis that was away nor a cluster that was stopped makes an
// endpoint seem gone. Those of this node never are. It begins anew with each relay. For one goroutine.
type muster struct {
	own    []*Endpoint
	times  *times
	last   time.Time // when it was last called; zero if Redis may have been away since
	silent map[string]*silence
}

// silence is that nobody speaks of an endpoint.
type silence struct {
	score string        // what Redis says of it
	lasts time.Duration // for which that has not changed
	told  bool          // whether it was logged that it is gone
}

func newMuster(own []*Endpoint, t *times) *muster {
	return &muster{own: own, times: t, silent: map[string]*silence{}}
}

// call asks Redis who was spoken of, if that was not done lately.
func (m *muster) call(ctx context.Context, r *remote) error {
	if !m.last.IsZero() && time.Since(m.last) < m.times.census {
		return nil
	}
	answer, err := r.run(ctx, musterScript)
	if err != nil {
		m.reset()
		return err
	}
	scores := map[string]string{}
	for i := 0; i+1 < len(answer); i += 2 {
		scores[text(answer, i)] = text(answer, i+1)
	}
	m.heard(scores)
	return nil
}

// heard compares what Redis says with what it said before. Of the time between, no more counts than there should be: a process that was stopped has heard
// nothing meanwhile.
func (m *muster) heard(scores map[string]string) {
	between := time.Duration(0)
	if !m.last.IsZero() {
		between = min(time.Since(m.last), m.times.gone/8)
	}
	m.last = time.Now()
	next := map[string]*silence{}
	for name, score := range scores {
		if slices.ContainsFunc(m.own, func(e *Endpoint) bool { return e.Name == name }) {
			continue
		}
		s := m.silent[name]
		if s == nil || s.score != score {
			s = &silence{score: score}
		} else {
			s.lasts += between
		}
		next[name] = s
	}
	m.silent = next
}

// reset is for when Redis is away: who speaks now is not heard.
func (m *muster) reset() {
	m.last = time.Time{}
	clear(m.silent)
}

// gone are, one after the other, the endpoints that are gone and what Redis said of them last: if that has changed by now, they are not.
func (m *muster) gone() []any {
	var gone []any
	for name, s := range m.silent {
		if s.lasts > m.times.gone {
			gone = append(gone, name, s.score)
		}
	}
	return gone
}

// news are those of some endpoints that nothing was logged of yet.
func (m *muster) news(names string) (fresh []string) {
	for _, name := range strings.Fields(names) {
		if s := m.silent[name]; s != nil && !s.told {
			s.told = true
			fresh = append(fresh, name)
		}
	}
	return fresh
}
