//go:build stores

package consistency_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/test/rawclient"
)

// gone is what was deleted: a path that every node has to answer with 404.
type gone struct{ path string }

// stress is many clients that push small images, pull those of others and delete their own.
type stress struct {
	*testing.T
	nodes []string
	http  *http.Client
	took  *latencies
	pause time.Duration // of a client before a request of a push or a pull, at most

	mu     sync.Mutex
	images []*image
	gone   []gone
	failed map[string]int // requests that had no answer, or 5xx, by which
}

// stressClients is how many of them there are.
const stressClients = 200

func newStress(t *testing.T, nodes []string, pause time.Duration) *stress {
	t.Helper()
	return &stress{T: t, nodes: nodes, http: rawclient.New(t, stressClients), took: newLatencies(), pause: pause, failed: map[string]int{}}
}

// run sends requests until told to stop.
func (s *stress) run(ctx context.Context) {
	var group sync.WaitGroup
	for i := range stressClients {
		group.Go(func() {
			random := rand.New(rand.NewPCG(*seed, uint64(i)))
			for n := 0; ctx.Err() == nil; n++ {
				if err := s.round(ctx, random, fmt.Sprintf("v%d-%d", i, n)); err != nil {
					s.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	s.Logf("%d images are there, %d things were deleted", len(s.images), len(s.gone))
	if len(s.failed) > 0 {
		s.Errorf("the store was well, and yet requests failed: %v", s.failed)
	}
}

// round is a push, often the end of what was pushed, and two pulls.
func (s *stress) round(ctx context.Context, random *rand.Rand, tag string) error {
	im, err := s.push(random, fmt.Sprintf("team/app-%d", random.IntN(5)), tag)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	s.mu.Lock()
	s.images = append(s.images, im)
	s.mu.Unlock()
	if random.IntN(2) == 0 {
		if err := s.remove(random, im); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	for range 2 {
		s.mu.Lock()
		other := s.images[random.IntN(len(s.images))]
		s.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		if err := s.pull(random, other, s.node(random)); err != nil && !s.isDoomed(other) {
			return fmt.Errorf("pull: %w", err)
		}
	}
	return nil
}

func (s *stress) node(random *rand.Rand) string { return s.nodes[random.IntN(len(s.nodes))] }

func (s *stress) isDoomed(im *image) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return im.doomed
}

// rest lets a client think, so that not all of the machine is busy all the time: then waiting would be for that.
func (s *stress) rest(random *rand.Rand) {
	if s.pause > 0 {
		pass(s.Context(), time.Duration(random.Int64N(int64(s.pause))))
	}
}

// ask sends one request and notes how long it took. The store is well, so that each has an answer, and none is that the client should come back later.
func (s *stress) ask(kind, method, target string, body []byte, want ...int) (rawclient.Answer, error) {
	begun := time.Now()
	a, err := rawclient.Send(s.Context(), s.http, method, target, body)
	s.took.add(kind, begun, time.Since(begun))
	switch {
	case err == nil && slices.Contains(want, a.Status):
		return a, nil
	case err == nil && a.Status < http.StatusInternalServerError:
		return a, fmt.Errorf("%s: status %d: %.300s", kind, a.Status, a.Body)
	case err == nil:
		err = fmt.Errorf("%s: status %d: %.300s", kind, a.Status, a.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[fmt.Sprintf("%s %d", kind, a.Status)]++ // also where the caller does not mind, as with what is being deleted
	return a, err
}

// verify asks every node for everything, when nobody writes any more.
func (s *stress) verify() {
	s.pause = 0
	var group errgroup.Group
	group.SetLimit(32)
	for _, im := range s.images {
		if im.doomed {
			continue
		}
		for _, node := range s.nodes {
			group.Go(func() error {
				if err := s.pull(nil, im, node); err != nil {
					s.Errorf("%s:%s was acknowledged: %v", im.repo, im.tag, err)
				}
				return nil
			})
		}
	}
	for _, what := range s.gone {
		group.Go(func() error {
			if err := s.areGone([]gone{what}); err != nil {
				s.Error(err)
			}
			return nil
		})
	}
	_ = group.Wait()
}
