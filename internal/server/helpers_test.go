package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

func up(context.Context) error { return nil }

// options are those of the tests on fake time; those on real sockets shorten what they wait for.
func options(h http.HandlerFunc) Options {
	return Options{
		Handler: h, Ping: up, Log: zap.NewNop(),
		Grace: time.Minute, HeaderTimeout: time.Minute, IdleTimeout: 2 * time.Minute, BodyTimeout: time.Minute,
	}
}

// pipes is a listener without a network, for tests on fake time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial gives the client's end of a new connection.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	select {
	case p.conns <- server:
	case <-p.closed:
		t.Fatal("the listener is closed")
	}
	return client
}

// run serves until the test, or stop, ends it; done gives what Serve gave.
func run(t *testing.T, opts Options, main, debug net.Listener) (stop context.CancelFunc, done <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- New(opts).Serve(ctx, main, debug) }()
	t.Cleanup(cancel)
	return cancel, result
}

func tcp(t *testing.T) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), "http.addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func send(t *testing.T, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("sending: %v", err)
	}
}

func answer(t *testing.T, c io.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return resp, strings.TrimSpace(string(body))
}

func get(t *testing.T, l net.Listener, path string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	resp, body := answer(t, c)
	return resp.StatusCode, body
}

// pass lets time go by, on the clock of the synctest bubble that every caller runs in.
func pass(d time.Duration) { <-time.After(d) }
