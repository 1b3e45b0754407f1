//go:build stores

package consistency_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

// perTag is how many requests to the store a tag may cost in a second where nodes remember in common. One it is; the rest is for readers that lost
// patience with one another, and for the ends of the time.
const perTag = 1.5

// TestReads: manifests read by tag cost the store about one read for each tag and second where nodes remember in common, and one for each read where
// they do not.
func TestReads(t *testing.T) {
	const tags = 4
	t.Run("with", func(t *testing.T) {
		const rate, least, lasts = 5000, 150, 6 * time.Second // fewer would say little: 25 for each request that they may cost
		r := newReads(t, cluster.Start(t, cluster.Options{Redis: true, Meter: true}), tags)
		r.run(500, 3*time.Second) // no node trusts a Redis that it has just met
		// A machine that has too much to do keeps Redis from answering in time; then nodes read for themselves. So the reads become fewer and fewer, until they
		// are as few as may be, and then there are some more tries.
		for rate, tries := rate, 4; tries > 0; rate = max(rate/2, 2*least) {
			if rate == 2*least {
				tries--
			}
			s := r.run(rate, lasts)
			cost, shared := float64(s.asked)/tags/s.lasted.Seconds(), float64(s.asked-s.away)/tags/s.lasted.Seconds()
			t.Logf("%d of %d reads a second through three nodes: %.2f requests to the store for each tag and second; Redis was away for %d of %d reads, without that it were %.2f",
				s.reached, rate, cost, s.away, s.reads, shared)
			if s.reached >= least && (cost <= perTag || shared <= perTag && s.away <= s.reads/20) {
				return
			}
		}
		t.Fatalf("manifests read by tag cost more than about one request to the store for each tag and second")
	})
	t.Run("without", func(t *testing.T) {
		r := newReads(t, cluster.Start(t, cluster.Options{Meter: true}), tags)
		seen := r.run(300, 4*time.Second)
		t.Logf("%d reads a second through three nodes: %d requests to the store for %d reads", seen.reached, seen.asked, seen.reads)
		if seen.asked != seen.reads {
			t.Errorf("%d requests to the store for %d reads, want one for each", seen.asked, seen.reads)
		}
	})
}

// reads is a load of manifest reads by tag.
type reads struct {
	*testing.T
	cluster *cluster.Cluster
	paths   []string
	done    atomic.Int64
}

// newReads pushes what is to be read, and has every node read it once.
func newReads(t *testing.T, c *cluster.Cluster, tags int) *reads {
	t.Helper()
	r := &reads{T: t, cluster: c}
	pusher := newTraffic(t, load{}, urls(c)...)
	for i := range tags {
		tag := fmt.Sprintf("v%d", i)
		pusher.push(0, pusher.nodes[0], tag)
		r.paths = append(r.paths, "/v2/"+pusher.repo+"/manifests/"+tag)
		for _, node := range pusher.nodes {
			pusher.find(0, http.MethodGet, node, tag)
		}
	}
	if pusher.seen["PUT 201"] != tags || pusher.seen["GET 200"] != 3*tags {
		t.Fatalf("before the load: %v", pusher.seen)
	}
	return r
}

// seen is what came of a load.
type seen struct {
	reads   int
	reached int // reads a second
	lasted  time.Duration
	asked   int // requests to the store for them
	away    int // reads for which Redis did not answer in time
}

// run reads at a rate, or as fast as the machine can.
func (r *reads) run(rate int, lasts time.Duration) seen {
	for _, n := range r.cluster.Nodes() {
		n.ForgetRequests()
	}
	r.done.Store(0)
	away := r.away()
	ctx, cancel := context.WithTimeout(r.Context(), lasts)
	defer cancel()
	due := pace(ctx, rate)
	var group sync.WaitGroup
	begun := time.Now()
	for i := range 24 {
		group.Go(func() {
			if err := r.reader(i, due); err != nil {
				r.Errorf("reader %d: %v", i, err)
			}
		})
	}
	group.Wait()
	s := seen{reads: int(r.done.Load()), lasted: time.Since(begun), away: r.away() - away}
	s.reached = int(float64(s.reads) / s.lasted.Seconds())
	for _, n := range r.cluster.Nodes() {
		for _, request := range n.Requests() {
			if !strings.Contains(request.Key, "/meta/") && request.Key != "" { // what a node does without being asked
				s.asked++
			}
		}
	}
	return s
}

// away is how many facts the nodes have read for themselves because Redis did not answer in time, so far.
func (r *reads) away() int {
	total := 0.0
	for _, n := range r.cluster.Nodes() {
		figures, err := n.Metrics(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		total += figures[`registryd_facts_total{result="away"}`]
	}
	return int(total)
}

// pace gives a number for each request that is due, and drops those that nobody takes in time: a reader that was held up does not make up for it.
func pace(ctx context.Context, rate int) <-chan int {
	due := make(chan int, rate/20)
	go func() {
		defer close(due)
		begun := time.Now()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			for want := int(time.Since(begun).Seconds() * float64(rate)); n < want; n++ {
				select {
				case due <- n:
				default:
				}
			}
		}
	}()
	return due
}

// reader speaks to one node over one connection. It is its own HTTP client, to leave the machine to the nodes.
func (r *reads) reader(i int, due <-chan int) error {
	nodes := r.cluster.Nodes()
	host := strings.TrimPrefix(nodes[i%len(nodes)].URL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return err
	}
	answers := bufio.NewReader(conn)
	for n := range due {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", r.paths[n%len(r.paths)], host); err != nil {
			return err
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		r.done.Add(1)
	}
	return nil
}
