package server

import (
	"context"
	"sync"
	"time"
)

// linger is how long a connection stays open for whose client nobody could say that it should close it, since the headers of its answer had been sent before
// this node had to leave. The end of a long body is on its way for a while, and then the client may send its next request.
const linger = 5 * time.Second

// leaving counts the requests of a server, and knows when no client has reason left to use its connection again.
type leaving struct {
	mu    sync.Mutex
	begun bool          // clients should send their next request elsewhere
	under int           // requests under way
	until time.Time     // connections stay open
	ended chan struct{} // has something when a request has ended
}

func newLeaving() *leaving { return &leaving{ended: make(chan struct{}, 1)} }

func (l *leaving) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = true
}

func (l *leaving) now() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

func (l *leaving) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under++
}

// end is for a request whose answer is given; told says whether the client was asked to close the connection.
func (l *leaving) end(told bool) {
	l.mu.Lock()
	l.under--
	if l.begun && !told {
		l.until = time.Now().Add(linger)
	}
	l.mu.Unlock()
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// wait ends when no request is under way and no connection needs to stay open, or with ctx. Only one may wait.
func (l *leaving) wait(ctx context.Context) {
	for {
		l.mu.Lock()
		under, left := l.under, time.Until(l.until)
		l.mu.Unlock()
		if under == 0 && left <= 0 {
			return
		}
		var over <-chan time.Time
		if under == 0 {
			over = time.After(left)
		}
		select {
		case <-over:
		case <-l.ended:
		case <-ctx.Done():
			return
		}
	}
}
