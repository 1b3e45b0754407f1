// Package api speaks the OCI distribution protocol (spec 1.1 and what its main branch adds) and Docker's, over a storage.Registry.
//
// A request takes one way: the middleware gives it an id and writes its log line; parseRoute says what it is about; a handler of the form
// func(w, r, route) error answers it or returns why not; writeError alone turns errors into answers. No handler knows a backend.
package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// Options are what can be chosen. The zero Options are the defaults.
type Options struct {
	Log         *zap.Logger         // nothing is logged without one
	Observe     Observer            // nothing is measured without one
	Events      Events              // nobody is told of anything without one
	Instance    string              // names this node in its log lines
	Host        string              // URL that absolute Locations begin with; empty for relative ones
	Redirect    bool                // send clients to the store for blobs, where it can serve them
	AbsoluteURL bool                // make Locations absolute by the Host or X-Forwarded headers of the request
	MaxManifest int64               // bytes; 4 MiB
	MaxRequests int                 // that bring bodies, and as many that read, at once; more are told to come back; 0 for no limit
	ReadOnly    bool                // the registry takes no writes, so a refused one is told that only reads remain
	Headers     map[string][]string // added to every answer
}

const defaultMaxManifest = 4 << 20

type handler struct {
	registry *storage.Registry
	tokens   uploadtoken.Provider
	opts     Options
	writes   slots // of requests that bring bodies
	reads    slots // of all others: uploads that stand still must not keep anyone from pulling
}

// New is the protocol over a registry; tokens carries uploads from one request to the next.
func New(registry *storage.Registry, tokens uploadtoken.Provider, opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Observe == nil {
		opts.Observe = blind{}
	}
	if opts.Events == nil {
		opts.Events = deaf{}
	}
	if opts.MaxManifest == 0 {
		opts.MaxManifest = defaultMaxManifest
	}
	h := &handler{registry: registry, tokens: tokens, opts: opts}
	if opts.MaxRequests > 0 {
		h.writes, h.reads = make(slots, opts.MaxRequests), make(slots, opts.MaxRequests)
	}
	router := chi.NewRouter()
	router.Use(h.trace)
	router.HandleFunc("/v2", h.serve)
	router.HandleFunc("/v2/*", h.serve)
	router.NotFound(h.serve)
	router.MethodNotAllowed(h.serve) // for methods that chi does not know
	return router
}

// serve finds what a request is about and answers it. chi cannot route names of several parts, parseRoute can.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	route, err := parseRoute(r.Method, r.URL.EscapedPath())
	x := exchangeOf(r.Context())
	x.begin(route)
	switch {
	case err == nil:
		err = h.slotsFor(r.Method, route).run(func() error { return h.handle(w, r, route) })
	case r.Method == http.MethodOptions && route.kind != routeUnknown:
		err = h.options(w, route)
	}
	if err == nil {
		return
	}
	x.err = err
	if !x.answered() {
		if storage.CodeOf(err) == storage.Unsupported {
			w.Header().Set("Allow", strings.Join(h.remaining(r.Method, route), ", "))
		}
		writeError(w, r, err)
		return
	}
	panic(http.ErrAbortHandler) // half an answer must not look like a whole one
}

// slots has one for each request that may run; nil for no limit.
type slots chan struct{}

// slotsFor gives those that a request has to take one of: none where the answer costs next to nothing.
func (h *handler) slotsFor(method string, route route) slots {
	switch {
	case method == http.MethodHead || route.kind == routeBase:
		return nil
	case method == http.MethodGet || method == http.MethodDelete:
		return h.reads
	}
	return h.writes
}

// run answers a request if there is room for one more.
func (s slots) run(answer func() error) error {
	if s == nil {
		return answer()
	}
	select {
	case s <- struct{}{}:
		defer func() { <-s }()
		return answer()
	default:
		return &routeError{code: codeTooManyRequests, message: "this node has as many requests as it can bear, come back in a moment"}
	}
}

func (h *handler) handle(w http.ResponseWriter, r *http.Request, route route) error {
	read := isRead(r.Method)
	switch route.kind {
	case routeBase:
		return h.base(w)
	case routeCatalog:
		return h.catalog(w, r)
	case routeTags:
		return h.tags(w, r, route)
	case routeReferrers:
		return h.referrers(w, r, route)
	case routeUploads:
		return h.startUpload(w, r, route)
	case routeBlob:
		route, err := h.resolve(r.Context(), route)
		if err != nil {
			return err
		}
		if read {
			return h.getBlob(w, r, route)
		}
		return h.deleteBlob(w, r, route)
	case routeManifest:
		switch {
		case read:
			return h.getManifest(w, r, route)
		case r.Method == http.MethodPut:
			return h.putManifest(w, r, route)
		default:
			return h.deleteManifest(w, r, route)
		}
	default:
		return h.upload(w, r, route)
	}
}

// remaining are the methods that an endpoint has, but for those that were switched off with the one that was refused (RFC 9110, section 15.5.6).
func (h *handler) remaining(refused string, route route) (methods []string) {
	for _, method := range route.kind.allowed() {
		if method != refused && (isRead(method) || !h.opts.ReadOnly) {
			methods = append(methods, method)
		}
	}
	return methods
}

// options says which methods an endpoint has (RFC 9110, section 9.3.7). A browser asks this way before it lets a page of another origin in; what it
// wants to see are the headers that are added to every answer, under a good status.
func (h *handler) options(w http.ResponseWriter, route route) error {
	w.Header().Set("Allow", strings.Join(route.kind.allowed(), ", "))
	return empty(w, http.StatusOK)
}

// base says that this is a registry.
func (h *handler) base(w http.ResponseWriter) error {
	return writeJSON(w, "application/json", struct{}{})
}
