package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Policy says to which node the requests of a client go.
type Policy int

// RoundRobin sends each request of a client to the node after that of the one before.
const RoundRobin Policy = -1

// Pin sends all requests of a client to one node, in rotation or not.
func Pin(node int) Policy { return Policy(node) }

// The headers by which a client tells the proxy who it is, and the one by which the proxy tells who answered.
const (
	clientHeader = "X-Cluster-Client"
	pinHeader    = "X-Cluster-Pin"

	NodeHeader = "X-Cluster-Node" // number of the node that answered
)

// Client is one client of the cluster, for requests to c.URL.
func (c *Cluster) Client(policy Policy) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: &marked{next: transport, policy: policy, id: strconv.FormatInt(c.balancer.clients.Add(1), 10)}}
}

// marked says with each request whose it is.
type marked struct {
	next   http.RoundTripper
	policy Policy
	id     string
}

func (m *marked) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(clientHeader, m.id)
	if m.policy != RoundRobin {
		r.Header.Set(pinHeader, strconv.Itoa(int(m.policy)))
	}
	return m.next.RoundTrip(r)
}

// balancer is the proxy. It holds nothing back in either direction. A node that would refuse the connection is passed over; what a node breaks off later
// is broken off for the client too.
type balancer struct {
	nodes     []*Node
	clients   atomic.Int64
	transport *http.Transport

	mu    sync.Mutex
	last  map[string]int // the node that a client spoke to last
	turn  int            // where the next client begins
	under map[*Node]int  // requests that a node was chosen for, and that are not over
}

func newBalancer(t testing.TB, nodes []*Node) (b *balancer, url string) {
	b = &balancer{nodes: nodes, last: map[string]int{}, under: map[*Node]int{}, transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 256, ExpectContinueTimeout: time.Second, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}}
	server := httptest.NewUnstartedServer(b)
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.Start()
	t.Cleanup(b.transport.CloseIdleConnections)
	t.Cleanup(func() {
		server.CloseClientConnections() // a request that hangs must not hold the test's end up
		server.Close()
	})
	return b, server.URL
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := b.choose(r.Header.Get(clientHeader), r.Header.Get(pinHeader))
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer b.ended(n)
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2, where it cannot be set, has it anyway
	(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", n.forClients.Addr
			p.Out.Header.Del(clientHeader)
			p.Out.Header.Del(pinHeader)
			p.SetXForwarded()
		},
		ModifyResponse: func(r *http.Response) error { r.Header.Set(NodeHeader, strconv.Itoa(n.number)); return nil },
		Transport:      b.transport, FlushInterval: -1, BufferPool: buffers,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     zap.NewStdLog(zap.NewNop()),
	}).ServeHTTP(w, r)
}

// choose takes the next node in rotation for a client, or the one it is pinned to. ended is to follow.
func (b *balancer) choose(client, pin string) (*Node, error) {
	if pin != "" {
		i, err := strconv.Atoi(pin)
		if err != nil || i < 0 || i >= len(b.nodes) {
			return nil, fmt.Errorf("there is no node %q", pin)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.under[b.nodes[i]]++
		return b.nodes[i], nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last, ok := b.last[client]
	if !ok {
		b.turn++
		last = b.turn
	}
	for i := range b.nodes {
		if n := b.nodes[(last+1+i)%len(b.nodes)]; !n.resting.Load() && !n.forClients.refuses() {
			b.last[client] = n.number
			b.under[n]++
			return n, nil
		}
	}
	return nil, fmt.Errorf("no node is in rotation")
}

// ended ends what choose began.
func (b *balancer) ended(n *Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under[n]--
}

// rest takes a node out of rotation, and gives how many requests are under way that it was chosen for. It may be called again, to see them become fewer.
func (b *balancer) rest(n *Node) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n.resting.Store(true)
	return b.under[n]
}

// buffers are what proxies copy through.
var buffers = &bufferPool{sync.Pool{New: func() any { return new([bufferSize]byte) }}}

const bufferSize = 128 << 10

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return p.pool.Get().(*[bufferSize]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[bufferSize]byte)(b)) }
