//go:build stores

package integration_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/test/integration/cluster"
)

var (
	killPlaces = flag.Int("cluster-kill-places", 20, "at how many places of a PATCH TestClusterKill kills a node, by each way of carrying uploads")
	killFull   = flag.Bool("cluster-kill-full", false, "have TestClusterKill choose its places evenly and bring every blob to 1 GiB, which takes many minutes")
)

const (
	killSize  = 1024 * mib // of the blob that is being pushed
	killFirst = 32 * mib   // the first place
	killMore  = 24 * mib   // bytes at least that follow the place
	killPart  = 16 * mib   // storage.s3.chunksize, the default
	killTries = 10         // at one place
	settled   = 50 * time.Millisecond
)

// TestClusterKill kills a node in the middle of a PATCH of 1 GiB, at random places. Another node knows the upload up to the last checkpoint, or with Redis
// up to the last part, and goes on from there without reading anything back. Most of the places are early and most of the blobs end soon behind them, to
// save time: the bytes between two checkpoints are the same everywhere.
func TestClusterKill(t *testing.T) {
	t.Parallel()
	for _, by := range carriers {
		t.Run(by.name, func(t *testing.T) {
			opts := by.opts
			opts.Meter = true
			k := &killing{T: t, cluster: cluster.Start(t, opts), limit: 64 * mib}
			if opts.Redis {
				k.limit = killPart
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			for i := range *killPlaces {
				// One place in each of equal strata of a scale on which early places are near to each other: the places are spread over the whole.
				at := (float64(i) + random.Float64()) / float64(*killPlaces)
				place := int64(killFirst * math.Pow(killSize/killFirst, math.Pow(at, 1.5)))
				if *killFull {
					place = killFirst + int64(at*(killSize-killFirst))
				}
				full := *killFull || i >= *killPlaces-*killPlaces/5
				for tries := 1; k.run(place, full) > k.limit; tries++ { // a machine that has much to do may keep a node from telling in time what it has done
					if tries == killTries {
						k.Errorf("killed at %.1f MiB, %d times: each time the point to go on from was more than %.1f MiB behind", inMiB(place), tries, inMiB(k.limit))
						break
					}
				}
			}
			slices.Sort(k.lost)
			t.Logf("of what the client had sent were lost: median %.1f MiB, at most %.1f MiB", inMiB(k.lost[len(k.lost)/2]), inMiB(k.lost[len(k.lost)-1]))
			k.cluster.Check(t) // reads the bytes of every blob
		})
	}
}

func inMiB(n int64) float64 { return float64(n) / mib }

// killing kills nodes of a cluster, in turns.
type killing struct {
	*testing.T
	cluster *cluster.Cluster
	limit   int64   // how far the point that can be gone on from may be behind what the node had sent to the store
	lost    []int64 // bytes that the client had sent and has to send again
	runs    int
}

// run kills a node when its client has sent as much as place, and goes on at another one: to the end, or only a little further. It says how far the point
// from which it went on was behind what the node had sent to the store.
func (k *killing) run(place int64, full bool) (behind int64) {
	k.Helper()
	i := k.runs
	k.runs++
	nodes, name := k.cluster.Nodes(), fmt.Sprintf("kill/repo%d", i)
	victim, second, third := nodes[i%3], nodes[(i+1)%3], nodes[(i+2)%3]
	content := sequence{phase: int64(i)*104_729 + 1}
	end := int64(killSize)
	if !full {
		end = min((place+killMore+killPart/2-1)/(killPart/2)*(killPart/2), killSize) // no tail, which the end of every upload reads
	}
	location := at(k.T, third).begin(name)

	for _, n := range nodes {
		n.ForgetRequests()
	}
	var killed time.Time
	sending := &trap{Reader: content.part(0, killSize), left: place, spring: func() { killed = time.Now(); victim.Kill() }}
	if a, err := at(k.T, victim).try(http.MethodPatch, victim.URL+location, reading(sending)); err == nil {
		k.Fatalf("a node that is dead answers %d", a.status)
	}
	all := durable(victim.Requests(), time.Now())
	begun := time.Now()
	off, next := at(k.T, second).resume(location, content, end)
	sent := durable(victim.Requests(), killed.Add(-settled))
	if off > all+killPart {
		k.Errorf("killed at %.1f MiB: the store had %.1f MiB, to go on from is %.1f MiB", inMiB(place), inMiB(sent), inMiB(off))
	}
	d := content.digest(end)
	at(k.T, third).do(http.MethodPut, closing(third.URL+next, d)).want(http.StatusCreated)
	took := time.Since(begun)
	for _, n := range []*cluster.Node{second, third} {
		for _, r := range n.Requests() {
			if r.Operation == "GetObject" && strings.Contains(r.Key, "/data/") || r.Operation == "UploadPartCopy" {
				k.Errorf("killed at %.1f MiB: %s of %s", inMiB(place), r.Operation, r.Key)
			}
		}
	}
	at(k.T, second).do(http.MethodHead, "/v2/"+name+"/blobs/"+d.String()).want(http.StatusOK).has("Content-Length", fmt.Sprint(end))
	k.lost = append(k.lost, place-off)
	k.Logf("killed at %6.1f MiB: the store had %6.1f MiB, gone on from %4d MiB, %5.1f MiB lost, %4d MiB in all, the rest took %.1fs",
		inMiB(place), inMiB(all), off/mib, inMiB(place-off), end/mib, took.Seconds())
	victim.Start()
	return sent - off
}

// durable is how many bytes of an upload the store had at a time: the parts it had taken that have no gap before them. An Append takes every sixteenth
// number, from one of the first sixteen.
func durable(requests []cluster.Request, until time.Time) int64 {
	var parts []cluster.Request
	for _, r := range requests {
		if r.Operation == "UploadPart" && r.Status == http.StatusOK && !r.Time.After(until) {
			parts = append(parts, r)
		}
	}
	slices.SortFunc(parts, func(a, b cluster.Request) int { return a.Part - b.Part })
	last, sum := 0, int64(0)
	for _, part := range parts {
		if part.Part-last > 16 {
			break
		}
		last = part.Part
		sum += part.Size
	}
	return sum
}
