package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/requestid"
)

// Observer measures requests. Safe for concurrent use.
type Observer interface {
	// Begin is called as soon as it is known what a request is about, End with the same route and method when it is over.
	Begin(route, method string)
	End(Exchange)
}

// Exchange is a request that is over.
type Exchange struct {
	Route  string // an endpoint of the protocol, never a name
	Method string
	Status int
	In     int64 // bytes of the request's body that were read
	Out    int64 // bytes of the answer's body
	Took   time.Duration
}

type blind struct{}

func (blind) Begin(string, string) {}
func (blind) End(Exchange)         {}

// exchange is a request under way: its writer, its body, and what the log line will say of it.
type exchange struct {
	http.ResponseWriter
	body    io.ReadCloser
	observe Observer
	id      string
	route   route
	began   bool
	method  string
	status  int
	in, out int64
	err     error
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// begin tells the observer what this is about.
func (x *exchange) begin(route route) {
	x.route, x.began = route, true
	x.observe.Begin(route.kind.String(), x.method)
}

// answered says whether the status is out.
func (x *exchange) answered() bool { return x.status != 0 }

// Unwrap lets http.ResponseController through.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.out += int64(n)
	return n, err
}

// Read and Close stand in for the request's body.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.body.Read(p)
	x.in += int64(n)
	return n, err
}

func (x *exchange) Close() error { return x.body.Close() }

// trace gives each request an id, its line in the log and its place in the metrics, and keeps a panic in one request from being more than that.
func (h *handler) trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{ResponseWriter: w, body: r.Body, observe: h.opts.Observe, id: requestid.Of(r), method: metricMethod(r.Method)}
		header := w.Header()
		for name, values := range h.opts.Headers {
			header[http.CanonicalHeaderKey(name)] = values
		}
		header.Set(requestid.Header, x.id)
		header.Set("Docker-Distribution-Api-Version", "registry/2.0")
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		if r.Body != http.NoBody {
			r.Body = x
		}
		defer func() {
			fault := recover()
			if fault != nil && fault != http.ErrAbortHandler {
				h.opts.Log.Error("a request panicked", zap.String("request", x.id), zap.Any("panic", fault), zap.ByteString("stack", debug.Stack()))
				if !x.answered() {
					writeError(x, r, errPanic)
					fault = nil
				}
			}
			h.finish(x, r, time.Since(start))
			if fault != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(x, r)
	})
}

// finish writes the line and the figures of a request that is over.
func (h *handler) finish(x *exchange, r *http.Request, took time.Duration) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if x.status == http.StatusServiceUnavailable && errors.Is(x.err, context.Canceled) && hungUp(r.Context()) {
		x.status = statusHungUp // nobody read the 503
	}
	if x.began {
		h.opts.Observe.End(Exchange{Route: x.route.kind.String(), Method: x.method, Status: x.status, In: x.in, Out: x.out, Took: took})
	}
	fields := []zap.Field{
		zap.String("request", x.id), zap.String("instance", h.opts.Instance), zap.String("method", x.method), zap.Stringer("route", x.route.kind),
		zap.Int("status", x.status), zap.Int64("in", x.in), zap.Int64("out", x.out), zap.Duration("took", took),
		zap.String("remote", r.RemoteAddr), zap.String("agent", r.UserAgent()),
	}
	if x.route.name != "" {
		fields = append(fields, zap.String("repository", string(x.route.name)))
	}
	if ref := x.route.reference.String() + string(x.route.digest) + string(x.route.tarSum); ref != "" {
		fields = append(fields, zap.String("reference", ref))
	}
	if x.route.kind == routeUnknown {
		fields = append(fields, zap.String("path", logPath(r.URL.EscapedPath())))
	}
	if x.err != nil {
		fields = append(fields, zap.String("error", logError(x.err)))
	}
	if x.status >= http.StatusInternalServerError {
		h.opts.Log.Error("request", fields...)
		return
	}
	h.opts.Log.Info("request", fields...)
}

// statusHungUp is what logs and metrics say of a request whose client did not wait for the answer. No client ever sees it; nginx calls it the same.
const statusHungUp = 499

// hungUp says whether the client has ended the request. When this node does, net/http's context carries another cause: server.ErrDraining.
func hungUp(ctx context.Context) bool { return context.Cause(ctx) == context.Canceled }

// logPath makes a path that is not the API's fit for the log: short, and without the token that a mistaken path of an upload may hold.
func logPath(path string) string {
	const most, uploads = 200, "/uploads/"
	if i := strings.Index(path, uploads); i >= 0 {
		path = path[:i+len(uploads)]
	}
	return strconv.QuoteToASCII(path[:min(len(path), most)])
}

// logError is the text of err, cut short if it is a list of many errors, such as those of a manifest with thousands of layers that are missing.
func logError(err error) string {
	const most = 3
	all := parts(err)
	if len(all) <= most {
		return err.Error()
	}
	var text strings.Builder
	for _, one := range all[:most] {
		text.WriteString(one.Error())
		text.WriteString("; ")
	}
	fmt.Fprintf(&text, "and %d more", len(all)-most)
	return text.String()
}

// parts are the errors that were joined to make err, however deep.
func parts(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range joined.Unwrap() {
				all = append(all, parts(one)...)
			}
			return all
		}
	}
	return []error{err}
}

var errPanic = panicked{}

type panicked struct{}

func (panicked) Error() string { return "panic" }

// metricMethod keeps invented methods from becoming labels of their own.
func metricMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
