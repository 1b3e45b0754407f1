//go:build stores

package cluster_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

// ask sends GET /v2/ and gives the number of the node that answered, or -1 when nobody did in time.
func ask(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return -1
	}
	response.Body.Close()
	n, err := strconv.Atoi(response.Header.Get(cluster.NodeHeader))
	if err != nil || response.StatusCode != http.StatusOK {
		return -1
	}
	return n
}

// TestRotation: requests go round, past nodes that are dead, resting or refuse.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	client := c.Client(cluster.RoundRobin)
	round := func(what string, want ...int) {
		t.Helper()
		seen := map[int]int{}
		for range 2 * len(want) {
			seen[ask(t, client, c.URL)]++
		}
		for _, n := range want {
			if seen[n] != 2 {
				t.Errorf("%s: %v answers from each node, want two from each of %v", what, seen, want)
			}
		}
	}
	round("all", 0, 1, 2)
	c.Node(1).Kill()
	round("one is dead", 0, 2)
	c.Node(1).Start()
	c.Node(0).Out()
	c.Node(2).CutOff(cluster.FromClients, cluster.Refuse)
	round("one rests, one refuses", 1)
	if got := ask(t, c.Client(cluster.Pin(0)), c.URL); got != 0 {
		t.Errorf("pinned to node 0, %d answered", got)
	}
	c.Node(0).In()
	c.Node(2).Reconnect(cluster.FromClients)
	if err := c.Node(0).Stop(t.Context()); err != nil {
		t.Error(err)
	}
	round("one was stopped", 1, 2)
	c.Node(0).Start()
	round("all again", 0, 1, 2)
}

// TestHarm: a node that is paused or cut off does not answer, and goes on afterwards.
func TestHarm(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 1, Meter: true})
	n, client := c.Node(0), &http.Client{Transport: &http.Transport{}}
	get := func(patience time.Duration) int {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/v2/some/repo/manifests/none", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	const brief, long = 300 * time.Millisecond, 2 * time.Minute
	for _, harm := range []struct {
		what     string
		do, undo func()
	}{
		{"paused", n.Pause, n.Resume},
		{"its clients hang", func() { n.CutOff(cluster.FromClients, cluster.Hang) }, func() { n.Reconnect(cluster.FromClients) }},
		{"its clients are refused", func() { n.CutOff(cluster.FromClients, cluster.Refuse) }, func() { n.Reconnect(cluster.FromClients) }},
		{"its store hangs", func() { n.CutOff(cluster.FromStore, cluster.Hang) }, func() { n.Reconnect(cluster.FromStore) }},
		{"its store refuses", func() { n.CutOff(cluster.FromStore, cluster.Refuse) }, func() { n.Reconnect(cluster.FromStore) }},
	} {
		harm.do()
		if status := get(brief); status != 0 {
			t.Errorf("%s: %d", harm.what, status)
		}
		harm.undo()
		if status := get(long); status != http.StatusNotFound {
			t.Errorf("%s no more: %d", harm.what, status)
		}
	}

	n.ForgetRequests()
	if status := get(long); status != http.StatusNotFound {
		t.Errorf("a manifest that is not there: %d", status)
	}
	if seen := n.Requests(); len(seen) == 0 || seen[0].Operation != "GetObject" || seen[0].Status != http.StatusNotFound {
		t.Errorf("requests to the store: %+v", seen)
	}
	if _, err := n.Metrics(t.Context()); err != nil {
		t.Error(err)
	}
}
