package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
)

// Options say what a test needs.
type Options struct {
	Nodes    int      // 3 if 0
	Redis    bool     // a Redis of the cluster's own, which the nodes are told of
	Provider string   // uploads.provider of the nodes; empty leaves the default
	Meter    bool     // note what each node asks of the store: Node.Requests
	Env      []string // more of the environment of all nodes, as NAME=value; what it names goes before what is set here
	Programs []string // a registryd for each of the first nodes, such as one of another release; the others, and those of "", run what is built from this tree
}

// Cluster is some nodes that serve one bucket.
type Cluster struct {
	URL   string       // of the proxy
	Store teststore.S3 // the bucket, past everything that is cut off or counted
	Redis *Redis       // nil without

	t        testing.TB
	program  string
	opts     Options
	nodes    []*Node
	balancer *balancer
}

// Start brings up a cluster for as long as the test runs. MinIO is shared by the tests of the process, the bucket is not.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	program, err := node.Program()
	if err != nil {
		t.Fatal(err)
	}
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	c := &Cluster{t: t, Store: teststore.MinIO(t), program: program, opts: opts}
	if opts.Redis {
		c.Redis = &Redis{t: t}
		c.Redis.Restart()
		t.Cleanup(c.Redis.Kill)
	}
	for i := range opts.Nodes {
		c.nodes = append(c.nodes, c.newNode(i))
	}
	c.balancer, c.URL = newBalancer(t, c.nodes)
	t.Cleanup(c.stop)
	var group sync.WaitGroup
	for _, n := range c.nodes {
		group.Go(func() { n.Start() })
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

// Node is one of the nodes, counted from 0.
func (c *Cluster) Node(i int) *Node { return c.nodes[i] }

// Nodes are all of them.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// stop ends all nodes, and shows what they said last if the test has failed.
func (c *Cluster) stop() {
	for _, n := range c.nodes {
		n.Kill()
		if c.t.Failed() {
			c.t.Logf("the end of the log of node %d:\n%s", n.number, end(n.Log(), 40))
		}
	}
	c.empty()
}

// empty removes what the nodes stored: MinIO, which other tests use, runs on.
func (c *Cluster) empty() {
	client, ctx := c.Store.Client(), context.Background()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &c.Store.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c.t.Logf("the bucket was not emptied: %v", err)
			return
		}
		var keys []types.ObjectIdentifier
		for _, object := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: object.Key})
		}
		if len(keys) == 0 {
			return
		}
		if _, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &c.Store.Bucket, Delete: &types.Delete{Objects: keys}}); err != nil {
			c.t.Logf("the bucket was not emptied: %v", err)
			return
		}
	}
}

// end is the last lines of a log, without those of requests that the node has answered as it should: there are thousands, and they hide the rest.
func end(log string, lines int) string {
	var kept []string
	for line := range strings.Lines(log) {
		var l struct {
			Msg    string
			Status int
		}
		if json.Unmarshal([]byte(line), &l) != nil || l.Msg != "request" || l.Status >= http.StatusInternalServerError {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-lines):], "")
}
