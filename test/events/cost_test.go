//go:build stores

package events_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/test/integration/cluster"
)

// cost is what the nodes of a cluster asked of the store.
type cost struct {
	pushes   int // requests about what was pushed, and about single entries of the journal
	handed   int // requests about what is handed to the relay, many entries at a time
	removals int // of entries of the journal, many at a time
	lists    int // by the relay, which come with time and not with pushes
	took     time.Duration
}

// TestCost: with endpoints a push costs the store one request more at most than without, and what it left in the journal is removed with that of others.
func TestCost(t *testing.T) {
	t.Parallel()
	const pushes = 300
	s := newSink(t)
	there := endpoints("name: sink, url: '" + s.url + "'")
	for _, tt := range []struct {
		name  string
		redis bool
	}{
		{"with Redis", true},
		{"without Redis", false}, // what is pushed through other nodes than the relay they hand to it, many at a time; what they do not costs it two reads
	} {
		without := costs(t, pushes, cluster.Options{Redis: tt.redis}, nil)
		with := costs(t, pushes, cluster.Options{Redis: tt.redis, Env: []string{there}}, s)
		// Each node but the relay hands over once a second what it has: that is stored, read and removed. Where pushes are slow it is little at a time, and
		// counts for no more than where they are fast.
		if with.handed > max(pushes/4, 9*int(with.took/time.Second)) {
			t.Errorf("%s: %d entries were handed over by %d requests in %v, want many in each", tt.name, pushes, with.handed, with.took)
		}
		a, b := float64(without.pushes+without.removals)/pushes, float64(with.pushes+with.removals+min(with.handed, pushes/4))/pushes
		t.Logf("%s: a push costs %.2f requests without endpoints and %.2f with; %d pushes in %v, whose entries were handed over by %d requests and removed in %d; %d LISTs",
			tt.name, a, b, pushes, with.took.Round(time.Millisecond), with.handed, with.removals, with.lists)
		if b > a+1 {
			t.Errorf("%s: a push costs %.2f requests with endpoints, %.2f without, want one more at most", tt.name, b, a)
		}
		// Each node removes once a second what it has, and what has come meanwhile. Where pushes are slow that is little at a time.
		if with.removals > max(pushes/4, 6*int(with.took/time.Second)) {
			t.Errorf("%s: %d entries were removed in %d requests in %v, want many in each", tt.name, pushes, with.removals, with.took)
		}
	}
}

// costs has pushes made through all nodes in turn, and waits until nothing is left of them in the journal.
func costs(t *testing.T, pushes int, opts cluster.Options, s *sink) (sum cost) {
	t.Helper()
	opts.Meter = true
	c := cluster.Start(t, opts)
	client := newClient(t)
	pushBlobs(t, client, c.Node(0).URL, "some/repo")
	push := func(i int) {
		if _, err := pushManifest(t, client, c.Node(i%3).URL, "some/repo", fmt.Sprintf("v%d", i), false); err != nil {
			t.Errorf("push: %v", err)
		}
	}
	for i := range 6 { // a node's first push asks more
		push(i)
	}
	eventually(t, "the journal is empty", 3*time.Minute, func() bool { return len(journal(t, c)) == 0 })
	arrived := 0
	if s != nil {
		arrived, _, _ = s.requests()
	}
	for _, n := range c.Nodes() {
		n.ForgetRequests()
	}
	begun := time.Now()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for j := i; j < pushes; j += 6 {
				push(6 + j)
			}
		})
	}
	all.Wait()
	eventually(t, "the journal is empty", 3*time.Minute, func() bool { return len(journal(t, c)) == 0 })
	sum.took = time.Since(begun)
	if s != nil {
		if got, _, _ := s.requests(); got < arrived+pushes {
			t.Errorf("%d events have arrived, want %d", got-arrived, pushes)
		}
	}
	for _, n := range c.Nodes() {
		for _, r := range n.Requests() {
			switch {
			case r.Operation == "ListObjectsV2":
				sum.lists++
			case r.Operation == "DeleteObjects" || r.Operation == "DeleteObject" && strings.Contains(r.Key, "/journal/"):
				sum.removals++
			case strings.Contains(r.Key, "/handed/"):
				sum.handed++
			case !strings.Contains(r.Key, "/meta/"): // leases and the like
				sum.pushes++
			}
		}
	}
	for _, n := range c.Nodes() {
		n.Kill()
	}
	return sum
}

// journal are the keys of its entries.
func journal(t *testing.T, c *cluster.Cluster) (keys []string) {
	t.Helper()
	page, err := c.Store.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &c.Store.Bucket, Prefix: aws.String("docker/registry/v2/journal/")})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range page.Contents {
		keys = append(keys, *object.Key)
	}
	return keys
}
