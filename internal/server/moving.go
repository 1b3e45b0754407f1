package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// What reading a request's body can fail with, beside the errors of net/http.
var (
	// ErrStalled: the client sent nothing for too long. It wraps os.ErrDeadlineExceeded.
	ErrStalled = fmt.Errorf("the client stopped sending: %w", os.ErrDeadlineExceeded)

	// ErrDraining: this node stops; the client should go on at another one. It wraps context.Canceled.
	ErrDraining = fmt.Errorf("this node is stopping: %w", context.Canceled)
)

// moving cuts off bodies that stand still, in either direction. next may take all the time it likes between two reads or writes: the clock runs
// only while one of them waits for the client. Its answers also ask clients to leave a node that is leaving itself.
type moving struct {
	next    http.Handler
	timeout time.Duration
	drain   context.Context // when it ends, reads fail
	leaving *leaving
}

func (m *moving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	m.leaving.begin()
	out := &movingWriter{ResponseWriter: w, rc: rc, watch: newWatch(m.timeout, rc.SetWriteDeadline), leaving: m.leaving}
	_ = rc.SetWriteDeadline(time.Time{}) // the request before may have left one on this connection
	defer func() {
		out.finish()
		_ = rc.SetWriteDeadline(time.Now().Add(m.timeout)) // net/http has yet to flush
		m.leaving.end(out.told)
	}()
	if r.Body != nil && r.Body != http.NoBody {
		in := &movingBody{ReadCloser: r.Body, watch: newWatch(m.timeout, rc.SetReadDeadline)}
		stop := context.AfterFunc(m.drain, in.drain)
		defer func() {
			stop()
			in.finish()
			if !in.ended {
				_ = rc.SetReadDeadline(time.Now().Add(m.timeout)) // net/http reads a little of what next left
			}
		}()
		// A copy, since net/http wants to find its own body in its own request.
		r = r.WithContext(r.Context())
		r.Body = in
	}
	m.next.ServeHTTP(out, r)
	out.sayGoodbye() // if nothing was written
}

// movingBody is the body of a request.
type movingBody struct {
	io.ReadCloser
	*watch
	draining atomic.Bool
	ended    bool // at its end, or failed
}

func (b *movingBody) Read(p []byte) (int, error) {
	if b.draining.Load() && !b.ended {
		return 0, ErrDraining
	}
	b.start()
	n, err := b.ReadCloser.Read(p)
	b.stop()
	if err != nil {
		b.ended = true
		err = b.explain(err)
	}
	return n, err
}

// explain tells apart why a deadline passed.
func (b *movingBody) explain(err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case b.draining.Load():
		return ErrDraining
	}
	return ErrStalled
}

// drain ends a Read that waits, and all that follow.
func (b *movingBody) drain() {
	b.draining.Store(true)
	b.expire()
}

// movingWriter is the answer to a request.
type movingWriter struct {
	http.ResponseWriter
	*watch
	rc      *http.ResponseController
	leaving *leaving
	sent    bool // the headers, so that nothing can be added
	told    bool // the client, to close the connection
}

// chunk is how much a client must take within the timeout, in bytes.
const chunk = 64 << 10

// sayGoodbye asks the client to close the connection once it has the answer, when this node is leaving: over HTTP/2, net/http makes a GOAWAY of it. It does
// nothing once the headers are sent.
func (w *movingWriter) sayGoodbye() {
	if !w.sent && w.leaving.now() {
		w.Header().Set("Connection", "close")
		w.told = true
	}
}

// WriteHeader decides what becomes of the connection as late as it can: a long request may have begun before this node had to leave.
func (w *movingWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.sayGoodbye()
		w.sent = true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *movingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *movingWriter) Write(p []byte) (n int, err error) {
	w.sayGoodbye()
	w.sent = true
	for first := true; first || len(p) > 0 && err == nil; first = false {
		part := p[:min(len(p), chunk)]
		p = p[len(part):]
		w.start()
		var m int
		m, err = w.ResponseWriter.Write(part)
		w.stop()
		n += m
	}
	return n, err
}

// Flush and FlushError send what is buffered.
func (w *movingWriter) Flush() { _ = w.FlushError() }

func (w *movingWriter) FlushError() error {
	w.sayGoodbye()
	w.sent = true
	w.start()
	defer w.stop()
	return w.rc.Flush()
}
