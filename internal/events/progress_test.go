package events

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/reference"
)

func manyTags(n int) (tags []reference.Tag) {
	for i := range n {
		tags = append(tags, tag(i))
	}
	return tags
}

// TestProgress: a push of many tags gets through to an endpoint that fails now and then, or takes some and no more for a while, each event once; what it
// refuses among them is refused once, and kept.
func TestProgress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func() func([]Event) int
		opts   Options
		dead   int
	}{
		"fails now and then": {answer: func() func([]Event) int {
			r := rand.New(rand.NewPCG(1, 2))
			return func([]Event) int {
				if r.Float64() < 0.2 {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			}
		}, opts: Options{MaxAttempts: 100}},
		"fails now and then, in order": {answer: func() func([]Event) int {
			n := 0
			return func([]Event) int {
				if n++; n%2 == 0 {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			}
		}, opts: Options{MaxAttempts: 3, Ordered: true}},
		"takes ten at a time": {answer: func() func([]Event) int {
			n := 0
			return func([]Event) int {
				if n++; n%11 == 0 {
					return http.StatusTooManyRequests
				}
				return http.StatusOK
			}
		}, opts: Options{MaxAttempts: 2}},
		"refuses one": {answer: func() func([]Event) int {
			n, refused := 0, 0
			return func(events []Event) int {
				if n++; n%3 == 0 {
					return http.StatusServiceUnavailable
				}
				if events[0].Target.Tag == "t7" {
					if refused++; refused > 1 {
						return http.StatusOK
					}
					return http.StatusBadRequest
				}
				return http.StatusOK
			}
		}, opts: Options{MaxAttempts: 2}, dead: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJournal()
			c.opts.Backoff, c.opts.MaxBackoff, c.opts.Threshold, c.opts.Concurrency = time.Millisecond, 2*time.Millisecond, 1<<20, 1
			s := newSink(t, c.opts)
			s.answers(c.answer())
			e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
			e.Committed(j.push(t, "some/repo", 0, manyTags(64)...))
			eventually(t, "it is settled", func() bool { return j.left() == 0 })
			if different, all := s.took(); different != 64-c.dead || all != different {
				t.Errorf("it took %d events, %d of them different, want %d", all, different, 64-c.dead)
			}
			if dead := j.buried("one"); len(dead) != c.dead {
				t.Errorf("%d are dead", len(dead))
			} else if c.dead == 1 {
				if events, err := ParseNote(dead[0].Note); err != nil || len(events) != 1 || events[0].Target.Tag != "t7" {
					t.Errorf("dead are %+v, %v", events, err)
				}
			}
		})
	}
}

// TestNoProgress: an event that is never taken is given up on all the same, and those before it came once.
func TestNoProgress(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Threshold: 1 << 20, MaxAttempts: 3})
	var tried atomic.Int32
	s.answers(func(events []Event) int {
		if events[0].Target.Tag != "t5" {
			return http.StatusOK
		}
		tried.Add(1)
		return http.StatusServiceUnavailable
	})
	e := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
	e.Committed(j.push(t, "some/repo", 0, manyTags(8)...))
	eventually(t, "it is settled", func() bool { return j.left() == 0 })
	if different, all := s.took(); different != 5 || all != 5 || tried.Load() != 4 { // the first attempt brought five
		t.Errorf("it took %d events, %d of them different, want 5; the sixth was tried %d times, want 4", all, different, tried.Load())
	}
}

// TestProgressIsBounded: a lane remembers so much and no more.
func TestProgressIsBounded(t *testing.T) {
	t.Parallel()
	l := newLane(nil, nil, nil, nil)
	for i := range 2 * progressMost {
		l.remember(&letter{id: string(tag(i)), done: 1})
	}
	if n := len(l.progress); n != progressMost {
		t.Errorf("it remembers %d, want %d", n, progressMost)
	}
	if last := l.progress[string(tag(2*progressMost-1))]; last.done != 1 {
		t.Error("what came last is forgotten")
	}
}
