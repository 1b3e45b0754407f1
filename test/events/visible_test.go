//go:build stores

package events_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
	"github.com/registryd/registryd/test/rawclient"
)

// lookTime is how long a node may take to answer a sink that looks; less than the sink may take.
const lookTime = 1500 * time.Millisecond

// witness looks, in the moment in which an event arrives, whether what was pushed can be pulled on every node. Nodes that are dead have no say.
type witness struct {
	*ledger
	nodes  []*cluster.Node
	client *http.Client
	every  uint32 // one of so many pushes is looked at

	mu      sync.Mutex
	answers map[string]int // by node and status; the status is 0 where there was no answer
}

func newWitness(t *testing.T, l *ledger, every uint32, nodes []*cluster.Node) *witness {
	client := newClient(t)
	client.Timeout = lookTime
	return &witness{ledger: l, nodes: nodes, client: client, every: every, answers: map[string]int{}}
}

// look is what a sink calls.
func (w *witness) look(t *testing.T) func(told) {
	return func(e told) {
		d := w.hears(e)
		hash := fnv.New32()
		_, _ = hash.Write([]byte(e.ID))
		if d.action != "push" || hash.Sum32()%w.every != 0 || w.isDoomed(d) {
			return
		}
		var all sync.WaitGroup
		for _, n := range w.nodes {
			all.Go(func() { w.ask(t, n, d) })
		}
		all.Wait()
	}
}

func (w *witness) ask(t *testing.T, n *cluster.Node, d deed) {
	a, err := rawclient.Send(t.Context(), w.client, http.MethodGet, n.URL+"/v2/"+d.repository+"/manifests/"+d.reference(), nil)
	if err != nil {
		a.Status = 0
	}
	wrong := a.Status == http.StatusNotFound || a.Status == http.StatusOK && digest.FromBytes(a.Body).String() != d.digest
	if wrong && !w.isDoomed(d) { // nobody had begun to delete it
		w.mistake(fmt.Sprintf("node %d does not serve %s:%s when its event arrives: %d", n.Number(), d.repository, d.reference(), a.Status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[fmt.Sprintf("node %d: %d", n.Number(), a.Status)]++
}

// check prints who answered what, and fails unless each node had its say.
func (w *witness) check(t *testing.T) {
	t.Helper()
	w.ledger.check(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(w.answers)) {
		t.Logf("asked for what was just told of: %s, %d times", key, w.answers[key])
	}
	for _, n := range w.nodes {
		if w.answers[fmt.Sprintf("node %d: 200", n.Number())] < 20 {
			t.Errorf("node %d was hardly ever asked: nothing is known of it", n.Number())
		}
	}
}
