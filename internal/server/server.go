// Package server owns the listeners: it accepts, keeps slow clients from harming others, tells how the node is, and drains at the end.
//
// # Draining
//
// When the context of [Server.Serve] ends, /readyz turns to 503. For Options.Delay all requests are served as ever, since load balancers take a while to
// look and to send nothing more here; each answer asks its client to close the connection, and no connection is closed under a client that may be about
// to use it. Then the main listener closes and running requests go on; so does what comes on connections that are open, until nothing runs any more and
// [linger] has passed since the last answer that could not ask. Requests still running after Options.Grace find their context cancelled and their body
// failing with [ErrDraining], so that an upload keeps what it received; they have Options.Last to answer. What runs then is cut off. The debug listener
// closes last.
//
// # Slow clients
//
// There is no limit to how long a request may take. A body that stands still for Options.BodyTimeout, in either direction, is cut off.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Options are what a Server needs. Handler, Ping and Log must be set.
type Options struct {
	Handler http.Handler                // for everything but /healthz and /readyz
	TLS     *tls.Config                 // of the main listener; nil for plain HTTP
	Ping    func(context.Context) error // asks the store whether it answers
	Log     *zap.Logger

	Metrics     http.Handler // on the debug listener; nil for none
	MetricsPath string
	Cluster     http.Handler // on the debug listener, at /cluster; nil for none

	Delay         time.Duration // how long requests are taken after /readyz turned to 503
	Grace         time.Duration // how long running requests may go on after that
	Last          time.Duration // how long they have to answer in the end; 15s if 0
	HeaderTimeout time.Duration // for the headers of a request
	IdleTimeout   time.Duration // between two requests
	BodyTimeout   time.Duration // without a byte of a body moving
}

// maxHeader bounds the headers of a request, in bytes. Registry tokens are the largest thing in them.
const maxHeader = 64 << 10

// Server is a main listener and a debug listener. Use it once.
type Server struct {
	opts     Options
	ready    *readiness
	main     *http.Server
	debug    *http.Server
	requests context.Context // ends when running requests must stop
	stop     func()          // with ErrDraining as the cause, so that a handler can tell it from a client that hung up
	leaving  *leaving        // answers ask for the end of their connection
}

// New makes a server that does not listen yet.
func New(opts Options) *Server {
	if opts.Last == 0 {
		opts.Last = 15 * time.Second
	}
	s := &Server{opts: opts, ready: newReadiness(opts.Ping, opts.Log), leaving: newLeaving()}
	requests, stop := context.WithCancelCause(context.Background())
	s.requests, s.stop = requests, func() { stop(ErrDraining) }
	s.main = s.server(withHealth(s.ready, &moving{next: opts.Handler, timeout: opts.BodyTimeout, drain: s.requests, leaving: s.leaving}))
	s.main.TLSConfig = opts.TLS
	s.main.HTTP2 = &http.HTTP2Config{SendPingTimeout: opts.BodyTimeout, WriteByteTimeout: opts.BodyTimeout}
	s.main.BaseContext = func(net.Listener) context.Context { return s.requests }

	mux := http.NewServeMux()
	if opts.Metrics != nil {
		mux.Handle("GET "+opts.MetricsPath, opts.Metrics)
	}
	if opts.Cluster != nil {
		mux.Handle("GET /cluster", opts.Cluster)
	}
	s.debug = s.server(withHealth(s.ready, mux))
	s.debug.WriteTimeout = opts.BodyTimeout
	s.debug.ReadTimeout = opts.BodyTimeout
	return s
}

func (s *Server) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.opts.HeaderTimeout,
		IdleTimeout:       s.opts.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(logWriter{s.opts.Log}, "", 0),
	}
}

// Serve answers on the listeners, which it closes, until ctx ends; then it drains. debug may be nil. Its error is nil after a drain, even one
// that had to cut requests off.
func (s *Server) Serve(ctx context.Context, main, debug net.Listener) error {
	failed := make(chan error, 2)
	serve := func(srv *http.Server, l net.Listener) {
		var err error
		if srv.TLSConfig != nil {
			err = srv.ServeTLS(l, "", "") // with HTTP/2, which Serve would not offer
		} else {
			err = srv.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}
	if debug != nil {
		go serve(s.debug, debug)
	}
	deaf := make(chan struct{}) // closed when no connection is accepted any more
	go func() {
		defer close(deaf)
		serve(s.main, main)
	}()

	var err error
	select {
	case <-ctx.Done():
		err = s.leave(failed)
	case err = <-failed:
	}
	_ = main.Close() // connections that are open go on
	<-deaf
	s.drain()
	return errors.Join(err, s.debug.Close())
}

// leave lets load balancers find out that this node is going, while it serves on. It ends early when a listener fails.
func (s *Server) leave(failed <-chan error) error {
	s.ready.drain()
	s.leaving.start()
	if s.opts.Delay <= 0 {
		return nil
	}
	s.opts.Log.Info("leaving: /readyz says so, and requests are still taken", zap.Duration("for", s.opts.Delay))
	over := time.NewTimer(s.opts.Delay)
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case err := <-failed:
		return err
	}
}

// drain is what follows the end of the main listener, as the package comment tells it.
func (s *Server) drain() {
	s.ready.drain()
	s.leaving.start()
	defer s.stop()
	s.opts.Log.Info("draining: no new connections; running requests may go on", zap.Duration("for", s.opts.Grace))
	if s.shutdown(s.opts.Grace) {
		return
	}
	s.opts.Log.Warn("the grace period is over; uploads keep what they received", zap.Duration("last_wait", s.opts.Last))
	s.stop()
	if s.shutdown(s.opts.Last) {
		return
	}
	s.opts.Log.Warn("some requests were cut off")
	_ = s.main.Close() // what it could report is of connections we give up
}

// shutdown tells whether all requests ended within d.
func (s *Server) shutdown(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	s.leaving.wait(ctx)
	return s.main.Shutdown(ctx) == nil
}

// logWriter takes what net/http says of single connections, which is about clients, not about us.
type logWriter struct{ log *zap.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("connection", zap.ByteString("said", trimNewline(p)))
	return len(p), nil
}

func trimNewline(p []byte) []byte {
	if n := len(p); n > 0 && p[n-1] == '\n' {
		return p[:n-1]
	}
	return p
}
