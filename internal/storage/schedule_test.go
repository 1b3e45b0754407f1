package storage_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
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
	mu      sync.Mutex
	waiting []chan struct{}
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
		n := len(s.waiting)
		if n == 0 {
			s.mu.Unlock()
			break
		}
		i := r.IntN(n)
		turn := s.waiting[i]
		s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
		s.mu.Unlock()
		close(turn)
	}
	all.Wait()
}

// Two pushes of one manifest under different tags, a deletion of it, and a push that moves one of the tags elsewhere meet in every order that fifteen hundred
// seeds give. Whatever comes out is what some order one after the other gives: no tag without its manifest, and where the manifest is there, the
// tag of the push that came last.
func TestPushMeetsDelete(t *testing.T) {
	t.Parallel()
	const seeds = 1500
	config := content(1, 10)
	wanted, other := image("wanted", config), image("other", config)
	d := digest.FromBytes(wanted)
	outcomes := map[string]int{}
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			fake := drivertest.NewFake(t)
			must(t, pushWhole(t.Context(), repository(fake), config))
			if seed%2 == 0 {
				must(t, pushManifest(t.Context(), repository(fake), wanted, "a", "b"))
			}
			switch seed % 6 {
			case 2:
				must(t, pushManifest(t.Context(), repository(fake), other, "a"))
			case 4:
				must(t, repository(fake).DeleteTag(t.Context(), "a", nil))
			}
			s := &scheduler{Driver: fake}
			actors := []func(){
				func() { must(t, pushManifest(t.Context(), repository(s), wanted, "a")) },
				func() { _ = repository(s).DeleteManifest(t.Context(), d, nil) },
			}
			if seed%3 == 0 {
				actors = append(actors, func() { must(t, pushManifest(t.Context(), repository(s), wanted, "b")) })
			}
			moved := seed%5 == 0
			if moved {
				actors = append(actors, func() { must(t, pushManifest(t.Context(), repository(s), other, "b")) })
			}
			s.run(rand.New(rand.NewPCG(seed, 0)), actors...)

			a, b, live := tagOf(t, repository(fake), "a") == d, tagOf(t, repository(fake), "b") == d, has(t, repository(fake), d)
			outcomes[fmt.Sprint("tags ", a, b, " manifest ", live)]++
			if (a || b) && !live {
				t.Fatalf("seed %d: a tag has no manifest", seed)
			}
			if live && !a && !b && !moved {
				t.Fatalf("seed %d: the manifest is there and no tag", seed)
			}
			if seed%3 != 0 && live && !a {
				t.Fatalf("seed %d: an acknowledged tag is missing", seed)
			}
			if seed%97 == 0 {
				sound(t, fake)
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Log(outcomes)
	if len(outcomes) < 3 {
		t.Error("the schedules did not lead to different ends")
	}
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
