package cluster

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/registryd/registryd/test/node"
)

// Way is one of those by which a node is connected; several are added with |.
type Way int

// The ways.
const (
	FromRedis Way = 1 << iota
	FromStore
	FromClients // and from the proxy
)

// Node is one node of a cluster, whether it runs or not. Its URL stays the same. What fails in methods that give no error fails the test by Error, so
// that any goroutine may call them.
type Node struct {
	URL string

	number     int
	cluster    *Cluster
	meter      *meter
	forClients *forwarder
	forStore   *forwarder
	forRedis   *forwarder // nil without Redis
	resting    atomic.Bool

	process atomic.Pointer[node.Node] // the last one that was started; nil if there was none

	starting sync.Mutex
	program  string // what the next process runs
	before   string // log of the processes before
}

func (c *Cluster) newNode(number int) *Node {
	n := &Node{number: number, cluster: c}
	if number < len(c.opts.Programs) {
		n.program = c.opts.Programs[number]
	}
	store := strings.TrimPrefix(c.Store.Endpoint, "http://")
	if c.opts.Meter {
		n.meter = newMeter(c.t, store)
		store = n.meter.addr
	}
	n.forStore = newForwarder(c.t, func() string { return store })
	n.forClients = newForwarder(c.t, n.addr)
	n.URL = "http://" + n.forClients.Addr
	if c.Redis != nil {
		n.forRedis = newForwarder(c.t, c.Redis.Addr)
		c.Redis.paths = append(c.Redis.paths, n.forRedis)
	}
	return n
}

// env is the environment of the process. Of two that set a name the last holds.
func (n *Node) env() []string {
	env := node.Bucket(n.cluster.Store, "http://"+n.forStore.Addr)
	if n.forRedis != nil {
		env = append(env, "REGISTRY_REDIS_ADDRS="+n.forRedis.Addr)
	}
	if n.cluster.opts.Provider != "" {
		env = append(env, "REGISTRY_UPLOADS_PROVIDER="+n.cluster.opts.Provider)
	}
	return append(env, n.cluster.opts.Env...)
}

// Use has the next Start run that program, or with "" what is built from this tree: a node is upgraded, or goes back.
func (n *Node) Use(program string) {
	n.starting.Lock()
	defer n.starting.Unlock()
	n.program = program
}

// Start runs a process if none runs, and waits until it is ready. With more of the environment, which holds until the next Start, a node is configured
// anew.
func (n *Node) Start(env ...string) {
	n.starting.Lock()
	defer n.starting.Unlock()
	if n.addr() != "" {
		return
	}
	process, err := node.Start(cmp.Or(n.program, n.cluster.program), slices.Concat(n.env(), env)...)
	if err != nil {
		n.cluster.t.Errorf("start node %d: %v", n.number, err)
		return
	}
	if last := n.process.Swap(process); last != nil {
		n.before += last.Log()
	}
}

// addr is where the process listens, empty when it is gone.
func (n *Node) addr() string {
	p := n.process.Load()
	if p == nil {
		return ""
	}
	select {
	case <-p.Ended():
		return ""
	default:
	}
	at, err := url.Parse(p.URL)
	if err != nil {
		return ""
	}
	return at.Host
}

// Number counts the nodes of the cluster from 0.
func (n *Node) Number() int { return n.number }

// Kill sends SIGKILL and waits for the end.
func (n *Node) Kill() {
	if p := n.process.Load(); p != nil {
		p.Kill()
	}
}

// Stop sends SIGTERM and waits until the node has drained; when ctx ends first, it is killed.
func (n *Node) Stop(ctx context.Context) error {
	if p := n.process.Load(); p != nil {
		return p.Stop(ctx)
	}
	return nil
}

// Pause sends SIGSTOP: the node stands still, its connections stay.
func (n *Node) Pause() { n.signal("pause", (*node.Node).Pause) }

// Resume sends SIGCONT.
func (n *Node) Resume() { n.signal("resume", (*node.Node).Resume) }

func (n *Node) signal(what string, send func(*node.Node) error) {
	err := errors.New("it was never started")
	if p := n.process.Load(); p != nil {
		err = send(p)
	}
	if err != nil {
		n.cluster.t.Errorf("%s node %d: %v", what, n.number, err)
	}
}

// CutOff cuts the node off, connections that stand as well as new ones.
func (n *Node) CutOff(ways Way, how Cut) {
	for _, f := range n.on(ways) {
		f.setCut(how)
	}
}

// Reconnect ends CutOff.
func (n *Node) Reconnect(ways Way) { n.CutOff(ways, whole) }

func (n *Node) on(ways Way) []*forwarder {
	var on []*forwarder
	for way, f := range map[Way]*forwarder{FromRedis: n.forRedis, FromStore: n.forStore, FromClients: n.forClients} {
		if ways&way != 0 && f != nil {
			on = append(on, f)
		}
	}
	return on
}

// Out takes the node out of the proxy's rotation. What runs there goes on; when it returns, the node has begun to answer all that it was chosen for, or that is
// over: nothing is on its way. Requests that did not come by the proxy would disturb the count.
func (n *Node) Out() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), outTime)
	defer cancel()
	for under := n.cluster.balancer.rest(n); under > 0; under = n.cluster.balancer.rest(n) {
		metrics, err := n.Metrics(ctx)
		if err != nil || metrics["registryd_http_in_flight"] >= float64(under) { // a node that is gone or hangs begins nothing
			return
		}
		<-tick.C
	}
}

// outTime is how long a node may take to begin what is on its way to it.
const outTime = time.Minute

// In puts it back.
func (n *Node) In() { n.resting.Store(false) }

// Log is the end of what the node wrote, all of its processes.
func (n *Node) Log() string {
	n.starting.Lock()
	defer n.starting.Unlock()
	if p := n.process.Load(); p != nil {
		return n.before + p.Log()
	}
	return n.before
}

// Metrics are what the process counts, by name and labels as they are written.
func (n *Node) Metrics(ctx context.Context) (map[string]float64, error) {
	p := n.process.Load()
	if p == nil {
		return nil, errors.New("the node does not run")
	}
	return p.Metrics(ctx)
}

// Debug is the URL of the debug listener, which is another one with each Start.
func (n *Node) Debug() string {
	if p := n.process.Load(); p != nil {
		return p.Debug
	}
	return ""
}
