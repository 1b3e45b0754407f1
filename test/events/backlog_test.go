//go:build stores

package events_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/events"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
	"github.com/registryd/registryd/test/rawclient"
)

const mib = 1 << 20

// startNode runs a node alone, as it is released, on a bucket and a Redis of its own.
func startNode(t *testing.T, env ...string) (n *node.Node, restart func() *node.Node, redis string) {
	t.Helper()
	program, err := node.Program()
	if err != nil {
		t.Fatal(err)
	}
	process, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	store := teststore.MinIO(t)
	env = append(append(node.Bucket(store, store.Endpoint), "REGISTRY_REDIS_ADDRS="+process.Addr), env...)
	restart = func() *node.Node {
		n, err := node.Start(program, env...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Kill)
		return n
	}
	return restart(), restart, process.Addr
}

// TestRate: one node delivers 1,000 events a second to a local endpoint, one in each request, with the settings that endpoints have by default. Of a machine that
// can hardly do more than that with no node in between, half of what it can is asked.
func TestRate(t *testing.T) {
	const queued, least, tries = 10_000, 1000, 4
	s := newSink(t)
	s.blind = true
	n, restart, redis := startNode(t, endpoints("name: sink, url: '"+s.url+"'"))
	namespace := namespaceOf(t, redis)
	best := 0.0
	for try := 0; best < least && try < tries; try++ { // a machine that has much to do may be too slow now and then
		n.Kill()
		s.forget()
		fill(t, redis, namespace, queued, "sink")
		n = restart()
		eventually(t, "all events have arrived", 5*time.Minute, func() bool { got, _, _ := s.requests(); return got >= queued })
		got, first, last := s.requests()
		rate := float64(got-1) / last.Sub(first).Seconds()
		t.Logf("%d requests in %v: %.0f events a second", got, last.Sub(first).Round(time.Millisecond), rate)
		best = max(best, rate)
	}
	if best >= least {
		return
	}
	n.Kill()
	bare := bareRate(t, s.url)
	t.Logf("%.0f requests a second come from a client that does nothing else", bare)
	if want := min(least, bare/2); best < want {
		t.Errorf("%.0f events a second at best, want %.0f", best, want)
	}
}

// bareRate is how many requests a second a client makes that has nothing else to do, as many at once as a node.
func bareRate(t *testing.T, url string) float64 {
	t.Helper()
	const each = 500
	client, body := newClient(t), make([]byte, 1000)
	var all sync.WaitGroup
	begun := time.Now()
	for range events.DefaultConcurrency {
		all.Go(func() {
			for range each {
				if a, err := rawclient.Send(t.Context(), client, http.MethodPost, url, body); err != nil || a.Status != http.StatusOK {
					t.Errorf("POST: %v, %d", err, a.Status)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(events.DefaultConcurrency*each) / time.Since(begun).Seconds()
}

// TestBacklog: 100,000 events wait for an endpoint that answers 500, and as many for one that never answers. The node needs no memory to speak of for
// them, and a third endpoint has its events as fast as ever.
func TestBacklog(t *testing.T) {
	const queued, most, patience = 100_000, 50 * mib, 2 * time.Second
	failing, hanging, good := newSink(t), newSink(t), newSink(t)
	failing.is(fails)
	hanging.is(hangs)
	n, _, redis := startNode(t, endpoints(
		"name: failing, url: '"+failing.url+"', threshold: 5, backoff: 100ms, maxattempts: 100000",
		"name: hanging, url: '"+hanging.url+"', timeout: 1s, threshold: 5, backoff: 100ms, maxattempts: 100000",
		"name: good, url: '"+good.url+"', include: [good/*]"))
	client := newClient(t)
	pushBlobs(t, client, n.URL, "good/repo")
	var took []time.Duration
	push := func() {
		tag := fmt.Sprintf("v%d", len(took))
		if _, err := pushManifest(t, client, n.URL, "good/repo", tag, false); err != nil {
			t.Fatal(err)
		}
		pushed := time.Now()
		eventually(t, "the event of "+tag+" has arrived", 3*time.Minute, func() bool { return !good.find(tag).IsZero() })
		took = append(took, max(good.find(tag).Sub(pushed), 0))
	}
	for range 50 { // what a node needs at any rate
		push()
	}
	before := peak(t, n, true)
	filled := make(chan struct{})
	namespace := namespaceOf(t, redis)
	go func() { defer close(filled); fill(t, redis, namespace, queued, "failing", "hanging") }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; <-tick.C {
		select {
		case <-filled:
			running = false
		default:
		}
		push()
	}
	for range 50 { // all of them wait
		<-tick.C
		push()
	}
	grown := peak(t, n, false) - before
	slices.Sort(took)
	typical, late := took[len(took)/2], took[len(took)*9/10]
	t.Logf("%d events wait for each of two endpoints: %.1f MiB on top of %.1f MiB; of %d events of the third half took %v at most, nine of ten %v, and the last %v",
		queued, float64(grown)/mib, float64(before)/mib, len(took), typical.Round(time.Millisecond), late.Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if grown > most {
		t.Errorf("the node has grown by %d MiB, want %d at most", grown/mib, most/mib)
	}
	if late > patience { // all would, if they waited for others; one may because the machine has much to do
		t.Errorf("one of ten events of the endpoint that is well took %v or more, want %v at most", late, patience)
	}
	if failing.met(fails) == 0 || hanging.met(hangs) == 0 {
		t.Error("nothing was sent to the endpoints that are not well")
	}
}

// peak is the most memory that the node had since this was last told to begin anew.
func peak(t *testing.T, n *node.Node, anew bool) int64 {
	t.Helper()
	if anew {
		if err := n.ForgetPeak(); err != nil {
			t.Fatal(err)
		}
	}
	bytes, err := n.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
