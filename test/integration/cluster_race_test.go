//go:build stores

package integration_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/test/integration/cluster"
)

var raceRounds = flag.Int("cluster-race-rounds", 500, "how often TestClusterRace has two clients race, by each way of carrying uploads")

// TestClusterRace has two clients send different bytes with one token at the same time, on two nodes. Either may be told 201, both may: but what stands
// under a digest has that digest.
func TestClusterRace(t *testing.T) {
	t.Parallel()
	for _, by := range carriers {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			r := &racing{T: t, seed: uint64(time.Now().UnixNano())}
			c := cluster.Start(t, by.opts)
			for _, n := range c.Nodes() {
				r.nodes = append(r.nodes, at(t, n))
			}
			t.Logf("seed %d", r.seed)
			var next atomic.Int64
			var group sync.WaitGroup
			for range 6 { // some rounds at once, because those by Redis wait more than they work
				group.Go(func() {
					for i := next.Add(1); i <= int64(*raceRounds) && !t.Failed(); i = next.Add(1) {
						r.run(int(i))
					}
				})
			}
			group.Wait()
			if r.won[1].Load()+r.won[2].Load() == 0 {
				t.Error("no upload was finished at all")
			}
			t.Logf("%d rounds: one 201 in %d of them, two in %d", *raceRounds, r.won[1].Load(), r.won[2].Load())
			c.Check(t)
		})
	}
}

// racing is what all rounds share.
type racing struct {
	*testing.T
	nodes []*registry // a client of each
	seed  uint64
	won   [3]atomic.Int64 // rounds by how many were told 201
}

// raceSize is from 100 KiB to 40 MiB: most often small, now and then large enough for parts and checkpoints.
func raceSize(random *rand.Rand) int64 {
	switch p := random.IntN(100); {
	case p < 80:
		return 100*kib + random.Int64N(900*kib)
	case p < 94:
		return mib + random.Int64N(5*mib)
	default:
		return 17*mib + random.Int64N(23*mib)
	}
}

// run is one round: an upload, of which something may have been sent before, and two clients that send the rest, each its own.
func (r *racing) run(i int) {
	random := rand.New(rand.NewPCG(r.seed, uint64(i)))
	name, size, phase, first := fmt.Sprintf("race/repo%d", i%7), raceSize(random), random.Int64N(mib), random.IntN(3)
	third := r.nodes[(first+2)%3]
	var before int64
	a, err := third.try(http.MethodPost, "/v2/"+name+"/blobs/uploads/")
	if err == nil && i%2 == 0 {
		before = 1 + random.Int64N(size/2)
		a, err = third.try(http.MethodPatch, third.url+a.header.Get("Location"), reading(sequence{phase}.part(0, before)))
	}
	if err != nil || a.status != http.StatusAccepted {
		r.Errorf("round %d: an upload of %d bytes was not begun: %+v, %v", i, before, a, err)
		return
	}
	location := a.header.Get("Location")
	var won atomic.Int64
	var lost [2]string
	side := func(n int) func() {
		content := forked{common: sequence{phase}, own: sequence{phase + int64(n+1)*1_100_009}, fork: before, size: size - int64(n)}
		return func() {
			if lost[n] = r.push(r.nodes[(first+n)%3], location, name, content, i%5 == 0); lost[n] == "" {
				won.Add(1)
			}
		}
	}
	together(side(0), side(1))
	r.won[won.Load()].Add(1)
	if won.Load() == 0 {
		r.Logf("round %d, %d bytes, %d of them sent before: none was told 201, but %q", i, size, before, lost)
	}
}

// forked is content that begins as that of another client does.
type forked struct {
	common, own sequence
	fork, size  int64
}

func (f forked) rest() io.Reader { return f.own.part(f.fork, f.size) }

func (f forked) digest() (digest.Digest, error) {
	return digest.SHA256.FromReader(io.MultiReader(f.common.part(0, f.fork), f.rest()))
}

// push sends the rest of an upload and closes it, with a PATCH or all in the closing PUT. It gives what kept it from being told 201; if it was, the blob
// must be what it sent. A client that is told 416 or 404 while it sends may see no more of it than a connection that breaks.
func (r *racing) push(node *registry, location, name string, content forked, whole bool) (lost string) {
	d, err := content.digest()
	if err != nil {
		r.Error(err)
		return err.Error()
	}
	var options []option
	if whole {
		options = append(options, reading(content.rest()))
	} else {
		a, err := node.try(http.MethodPatch, node.url+location, reading(content.rest()))
		if lost := r.refused(a, err, http.StatusAccepted); lost != "" {
			return lost
		}
		location = a.header.Get("Location")
	}
	a, err := node.try(http.MethodPut, closing(node.url+location, d), options...)
	if lost := r.refused(a, err, http.StatusCreated); lost != "" {
		return lost
	}
	node.blob(name, d, content.size)
	return ""
}

// refused says how a request was, if it was; then the upload must be in other hands.
func (r *racing) refused(a *answer, err error, want int) string {
	switch {
	case err != nil:
		return err.Error()
	case a.status == want:
		return ""
	case a.status != http.StatusRequestedRangeNotSatisfiable && a.status != http.StatusNotFound:
		r.Errorf("%s: %d %s", a.what, a.status, a.body)
	}
	method, _, _ := strings.Cut(a.what, " ")
	return fmt.Sprintf("%s: %d %s", method, a.status, a.body)
}
