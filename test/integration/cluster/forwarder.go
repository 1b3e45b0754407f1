package cluster

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// Cut is what a connection that is cut off looks like from its ends.
type Cut int

const (
	whole  Cut = iota
	Refuse     // broken off; new ones too, at once
	Hang       // standing still, as behind a cable that was pulled; it goes on when it is reconnected
)

// forwarder carries connections to a target that may move, and can be told to do that badly.
type forwarder struct {
	Addr     string
	listener net.Listener
	target   func() string // host:port; empty for nobody there

	mu      sync.Mutex
	cut     Cut
	delay   time.Duration // of all bytes that come back
	changed chan struct{} // closed when cut changes
	open    map[*link]struct{}
	over    bool
}

// link is one connection through a forwarder.
type link struct{ client, server *net.TCPConn }

func newForwarder(t testing.TB, target func() string) *forwarder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{Addr: listener.Addr().String(), listener: listener, target: target, changed: make(chan struct{}), open: map[*link]struct{}{}}
	go f.accept()
	t.Cleanup(f.close)
	return f
}

func (f *forwarder) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		go f.carry(&link{client: conn.(*net.TCPConn)})
	}
}

// carry serves one connection to its end.
func (f *forwarder) carry(l *link) {
	if !f.enter(l) {
		return
	}
	defer f.leave(l)
	if !f.pass() {
		return
	}
	conn, err := net.DialTimeout("tcp", f.target(), 10*time.Second) // an empty target is an error too
	if err != nil {
		return
	}
	f.mu.Lock()
	l.server = conn.(*net.TCPConn) // what was cut off meanwhile has a client that gives an error to read
	f.mu.Unlock()
	var group sync.WaitGroup
	group.Go(func() { f.copy(l.server, l.client, false) })
	group.Go(func() { f.copy(l.client, l.server, true) })
	group.Wait()
}

func (f *forwarder) enter(l *link) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || f.cut == Refuse {
		l.reset()
		return false
	}
	f.open[l] = struct{}{}
	return true
}

func (f *forwarder) leave(l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, l)
	l.reset()
}

// reset breaks both sides off, so that nobody takes it for an orderly end.
func (l *link) reset() {
	for _, conn := range []*net.TCPConn{l.client, l.server} {
		if conn != nil {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
	}
}

// pass waits until bytes may flow. It is false when the connection has no future.
func (f *forwarder) pass() bool {
	for {
		f.mu.Lock()
		cut, changed, over := f.cut, f.changed, f.over
		f.mu.Unlock()
		if over || cut == Refuse {
			return false
		}
		if cut == whole {
			return true
		}
		<-changed
	}
}

// copy moves bytes one way, with the delay if they come back. An end that comes in order is passed on; one that does not breaks both sides off.
func (f *forwarder) copy(to, from *net.TCPConn, back bool) {
	for {
		_ = from.SetReadDeadline(time.Time{}) // before the look at how things are: set, which changes them, ends reads under way
		if !f.pass() {
			break
		}
		ended, err := f.move(to, from, back)
		if ended {
			_ = to.CloseWrite()
			return
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	(&link{to, from}).reset()
}

// move moves what there is, until that ends or is interrupted. Without a delay the kernel does it.
func (f *forwarder) move(to, from *net.TCPConn, back bool) (ended bool, err error) {
	f.mu.Lock()
	delay, changed := f.delay, f.changed
	f.mu.Unlock()
	if delay == 0 || !back {
		all := &io.LimitedReader{R: from, N: math.MaxInt64}
		_, err = to.ReadFrom(all)
		return err == nil, err
	}
	buffer := make([]byte, 64<<10)
	n, err := from.Read(buffer)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	}
	if !f.pass() {
		return false, net.ErrClosed
	}
	if _, failed := to.Write(buffer[:n]); failed != nil {
		return false, failed
	}
	return err == io.EOF, err
}

// set changes how connections are treated, those that stand as well as new ones.
func (f *forwarder) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
	for l := range f.open {
		if f.cut == Refuse || f.over {
			l.reset()
			continue
		}
		for _, conn := range []*net.TCPConn{l.client, l.server} {
			if conn != nil {
				_ = conn.SetReadDeadline(time.Unix(1, 0))
			}
		}
	}
}

func (f *forwarder) setCut(cut Cut)               { f.set(func() { f.cut = cut }) }
func (f *forwarder) setDelay(delay time.Duration) { f.set(func() { f.delay = delay }) }

// refuses says whether a new connection would be broken off, or find nobody.
func (f *forwarder) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut == Refuse || f.target() == ""
}

func (f *forwarder) close() {
	f.set(func() { f.over = true })
	_ = f.listener.Close()
}
