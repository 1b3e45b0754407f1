//go:build stores

package integration_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// tally is what went to the store.
type tally struct {
	operations map[string]int // requests by the name of the S3 operation
	sent       int64          // bytes of their bodies
	retries    int            // requests that were not the first attempt
	copies     int            // requests that had the store copy an object
	dataReads  int            // GETs of what clients pushed
}

func (t tally) requests() int {
	n := 0
	for _, times := range t.operations {
		n += times
	}
	return n
}

func (t tally) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.operations)) {
		parts = append(parts, fmt.Sprintf("%d %s", t.operations[name], name))
	}
	return fmt.Sprintf("%d requests (%s), %d bytes sent", t.requests(), strings.Join(parts, ", "), t.sent)
}

// meter counts requests on their way.
type meter struct {
	mu  sync.Mutex
	now tally
}

// reset begins a new tally and gives the one before.
func (m *meter) reset() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.now
	m.now = tally{operations: map[string]int{}}
	return before
}

// count notes a request, and puts a body in the place of its own that is counted as it is read.
func (m *meter) count(r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &meteredBody{r.Body, m}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.operations[teststore.Operation(r)]++
	if attempt := r.Header.Get("Amz-Sdk-Request"); !strings.HasPrefix(attempt, "attempt=1;") {
		m.now.retries++
	}
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		m.now.copies++
	}
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/docker/registry/v2/data/") {
		m.now.dataReads++
	}
}

type meteredBody struct {
	io.ReadCloser
	m *meter
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.now.sent += int64(n)
	return n, err
}

// wrap counts at the driver's transport.
func (m *meter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		m.count(r)
		return next.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// metered is a cluster on one bucket. Its requests are counted twice: where the drivers hand them to their transport, and by a proxy on the wire.
type metered struct {
	*testing.T
	bucket  teststore.S3 // by way of the proxy
	drivers meter
	wire    meter
}

func newMetered(t *testing.T) *metered {
	t.Helper()
	m := &metered{T: t, bucket: teststore.MinIO(t)}
	m.drivers.reset()
	m.wire.reset()
	target, err := url.Parse(m.bucket.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: transport,
		ErrorLog:  zap.NewStdLog(zap.NewNop()),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.wire.count(r)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	m.bucket.Endpoint = server.URL
	return m
}

// node is one that knows nothing yet.
func (m *metered) node(settings ...setting) *registry {
	m.Helper()
	return start(m.T, openS3(m.T, m.bucket, s3.Options{Transport: m.drivers.wrap}), settings...)
}

// costs does something, and fails when that takes more requests than it may. A request that had to be sent again is not held against it.
func (m *metered) costs(what string, atMost int, do func()) tally {
	m.Helper()
	got, wire := m.measure(do)
	m.judge(what, atMost, got, wire)
	return got
}

// measure does something, and gives what it took.
func (m *metered) measure(do func()) (drivers, wire tally) {
	m.drivers.reset()
	m.wire.reset()
	do()
	return m.drivers.reset(), m.wire.reset()
}

func (m *metered) judge(what string, atMost int, got, wire tally) {
	m.Helper()
	m.Logf("%s: at most %d: %s", what, atMost, got)
	if n := got.requests() - got.retries; n > atMost {
		m.Errorf("%s: %d requests, more than %d", what, n, atMost)
	}
	if got.retries == 0 && (!maps.Equal(got.operations, wire.operations) || got.sent != wire.sent) {
		m.Errorf("%s: the driver counts %s; on the wire there are %s", what, got, wire)
	}
	if got.copies > 0 || wire.copies > 0 {
		m.Errorf("%s: %d requests had the store copy an object", what, wire.copies)
	}
}
