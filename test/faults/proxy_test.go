//go:build stores

package faults_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/teststore"
)

// moment is when a node dies, seen from one of its requests to the store.
type moment int

const (
	beforeRequest moment = iota // which never reaches the store
	beforeAnswer                // which the store has given, and nobody gets
)

func (m moment) String() string { return [...]string{"before", "after"}[m] }

// proxy stands between a node and its store, and kills the node at one of its requests. What the node has under way then is lost, as it is when a
// machine loses its power.
type proxy struct {
	URL     string
	forward *httputil.ReverseProxy

	mu    sync.Mutex
	armed int // how often
	seen  int // requests, since it was armed
	step  int // at which the node is killed; 0 for never
	when  moment
	kill  func()
	did   string // the request at which it was killed
	saved bool   // the store has taken a checkpoint
}

func newProxy(t testing.TB, store teststore.S3) *proxy {
	t.Helper()
	target, err := url.Parse(store.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.forward = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // the host is signed
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     zap.NewStdLog(zap.NewNop()),
	}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.Start()
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// arm lets the node be killed at its next request number step.
func (p *proxy) arm(step int, when moment, kill func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed++
	p.seen, p.step, p.when, p.kill, p.did, p.saved = 0, step, when, kill, "", false
}

// disarm says how many requests there were, at which one the node was killed, and whether the store has a checkpoint.
func (p *proxy) disarm() (seen int, did string, saved bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step = 0
	return p.seen, p.did, p.saved
}

// due counts a request.
func (p *proxy) due(r *http.Request) (moment, func(), bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.step == 0 {
		return 0, nil, false
	}
	p.seen++
	if p.seen < p.step {
		return 0, nil, false
	}
	if p.seen == p.step {
		p.did = teststore.Operation(r)
		return p.when, p.kill, true
	}
	return beforeRequest, p.kill, true // the node is as good as dead
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	when, kill, due := p.due(r)
	if !due {
		p.pass(w, r)
		return
	}
	if when == beforeAnswer {
		p.pass(httptest.NewRecorder(), r)
	}
	kill()
	panic(http.ErrAbortHandler)
}

// pass brings a request to the store, and notes a checkpoint.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	armed := p.armed
	p.mu.Unlock()
	answered := &statusWriter{ResponseWriter: w}
	p.forward.ServeHTTP(answered, r)
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/_uploads/") && answered.status == http.StatusOK {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.saved = p.saved || p.armed == armed // else it is one of a node that was killed before
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
