package server

import (
	"sync"
	"time"
)

// watch ends an operation on a connection that takes longer than timeout, by putting its deadline into the past. That costs no more than the
// reset of a timer, and sets no deadline ahead: one would also hit a handler that waits for something else than the client, and over HTTP/2 it
// would break the stream for good.
type watch struct {
	timeout     time.Duration
	timer       *time.Timer
	mu          sync.Mutex
	setDeadline func(time.Time) error // not to be called once the handler has returned
	waiting     bool                  // an operation is under way
	until       time.Time             // when it has taken too long
	over        bool                  // the handler has returned
}

var longAgo = time.Unix(1, 0)

func newWatch(timeout time.Duration, setDeadline func(time.Time) error) *watch {
	w := &watch{timeout: timeout, setDeadline: setDeadline}
	w.timer = time.AfterFunc(timeout, w.fire)
	w.timer.Stop()
	return w
}

// fire ends the operation under way, if it is the one that the timer was set for: it may have ended, and the next one have begun, between the timer
// and the lock. The time tells them apart; a number would have to be carried by a new timer for every operation.
func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting && !w.over && !time.Now().Before(w.until) {
		_ = w.setDeadline(longAgo)
	}
}

// start and stop stand around an operation.
func (w *watch) start() {
	w.set(true, time.Now().Add(w.timeout))
	w.timer.Reset(w.timeout)
}

func (w *watch) stop() {
	w.timer.Stop()
	w.set(false, time.Time{})
}

func (w *watch) set(waiting bool, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.until = waiting, until
}

// expire ends the operation under way, and all that follow.
func (w *watch) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		_ = w.setDeadline(longAgo)
	}
}

// finish is for the end of the handler: the deadline is the caller's then.
func (w *watch) finish() {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}
