//go:build stores

package consistency_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is the way of one node to Redis. It can be cut, and it can stand still: what is sent then arrives when it moves again.
type link struct {
	addr   string
	target string

	mu    sync.Mutex
	cut   bool
	moves chan struct{} // closed unless it stands still
	conns map[net.Conn]bool
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{addr: listener.Addr().String(), target: target, moves: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(l.moves)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { l.carry(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.breaks()
		group.Wait()
	})
	return l
}

// breaks drops all connections and refuses new ones.
func (l *link) breaks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	l.move()
	for conn := range l.conns {
		conn.Close()
	}
}

// stands keeps connections, and lets nothing through.
func (l *link) stands() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.moves:
		l.moves = make(chan struct{})
	default:
	}
}

// works again.
func (l *link) works() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
	l.move()
}

func (l *link) move() {
	select {
	case <-l.moves:
	default:
		close(l.moves)
	}
}

// join notes a connection, or closes it.
func (l *link) join(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		conn.Close()
		return false
	}
	l.conns[conn] = true
	return true
}

func (l *link) leave(conn net.Conn) {
	conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}

func (l *link) carry(near net.Conn) {
	if !l.join(near) {
		return
	}
	defer l.leave(near)
	far, err := net.Dial("tcp", l.target)
	if err != nil || !l.join(far) {
		return
	}
	defer l.leave(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], gate{way[0], l})
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// gate holds back what was read while the link stands still.
type gate struct {
	io.Reader
	link *link
}

func (g gate) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	g.link.mu.Lock()
	moves := g.link.moves
	g.link.mu.Unlock()
	<-moves
	return n, err
}
