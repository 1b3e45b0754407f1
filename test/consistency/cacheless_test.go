//go:build stores

package consistency_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
	"github.com/registryd/registryd/test/rawclient"
)

// TestCacheless: a node without the cache deletes and moves what one with the cache remembers, as while the cache is switched on or off on one node after
// the other. The other one knows with the answer.
func TestCacheless(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Nodes: 2, Redis: true})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	with, without := c.Node(0), c.Node(1)
	if err := without.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	without.Start("REGISTRY_CACHE_ENABLED=false")
	s := newStress(t, []string{without.URL}, 0)
	random := rand.New(rand.NewPCG(*seed, 1))
	hits := func() float64 {
		figures, err := with.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return figures[`registryd_facts_total{result="hit"}`]
	}
	for round := range 6 {
		im, err := s.push(random, "team/app", fmt.Sprintf("v%d", round))
		if err != nil {
			t.Fatal(err)
		}
		path := []string{im.byTag(), im.byDigest(), im.blob(1)}[round%3]
		for before := hits(); hits() < before+3; { // no node trusts a Redis that it has just met
			if a, err := rawclient.Send(ctx, s.http, http.MethodGet, with.URL+path, nil); err != nil || a.Status != http.StatusOK {
				t.Fatalf("GET %s: %v, status %d", path, err, a.Status)
			}
		}
		if _, err := s.ask("DELETE", http.MethodDelete, without.URL+path, nil, http.StatusAccepted); err != nil {
			t.Fatal(err)
		}
		s.nodes = []string{with.URL, without.URL}
		if err := s.areGone([]gone{{path}}); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		s.nodes = []string{without.URL}
	}
	c.Check(t)
}
