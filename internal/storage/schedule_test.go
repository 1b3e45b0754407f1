package storage_test

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
)

// scheduler lets one call of the store happen at a time, in an order that follows from a seed.
type scheduler struct {
	drivers.Driver
	held    int // one call in so many waits until none is left that does not; 0 for none
	mu      sync.Mutex
	waiting []chan struct{}
	behind  []chan struct{} // those that are held
}

func (s *scheduler) wait() {
	turn := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, turn)
	s.mu.Unlock()
	<-turn
}

func (s *scheduler) Stat(ctx context.Context, key string) (drivers.Info, error) {
	s.wait()
	return s.Driver.Stat(ctx, key)
}

func (s *scheduler) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	s.wait()
	return s.Driver.Open(ctx, key, off, n)
}

func (s *scheduler) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	s.wait()
	return s.Driver.Put(ctx, key, body, cond)
}

func (s *scheduler) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	s.wait()
	return s.Driver.List(ctx, opts)
}

// run lets the actors go until all are done. It must be called in a synctest bubble.
func (s *scheduler) run(r *rand.Rand, actors ...func()) {
	var all sync.WaitGroup
	for _, act := range actors {
		all.Go(act)
	}
	for {
		synctest.Wait()
		s.mu.Lock()
		from := &s.waiting
		if len(*from) == 0 {
			from = &s.behind
		}
		n := len(*from)
		if n == 0 {
			s.mu.Unlock()
			break
		}
		i := r.IntN(n)
		turn := (*from)[i]
		*from = slices.Delete(*from, i, i+1)
		hold := from == &s.waiting && s.held > 0 && r.IntN(s.held) == 0
		if hold {
			s.behind = append(s.behind, turn)
		}
		s.mu.Unlock()
		if !hold {
			close(turn)
		}
	}
	all.Wait()
}

// Pushes of different manifests to one tag: each leaves its digest in the history, none is lost.
func TestPushesMeetAtATag(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			fake := drivertest.NewFake(t)
			config := content(1, 10)
			must(t, pushWhole(t.Context(), repository(fake), config))
			s := &scheduler{Driver: fake}
			actors := []func(){}
			for i := range 4 {
				actors = append(actors, func() { must(t, pushManifest(t.Context(), repository(s), image(name(i), config), "latest")) })
			}
			s.run(rand.New(rand.NewPCG(seed, 1)), actors...)
			history, err := repository(fake).History(t.Context(), reference.Tag("latest"))
			must(t, err)
			seen := map[digest.Digest]bool{}
			for _, past := range history {
				seen[past.Digest] = true
			}
			if len(seen) != 4 {
				t.Fatalf("seed %d: the history has %d of 4 pushes", seed, len(seen))
			}
			sound(t, fake)
		})
	}
}
