package storage_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// calls are the Facts of a node, which notes each call of Changed. The node of one that dies is gone before it could tell.
type calls struct {
	dies bool

	mu  sync.Mutex
	all [][]string
}

func (*calls) Fetch(ctx context.Context, _ string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	fact, err := read(ctx)
	return fact.Value, err
}

func (c *calls) Changed(_ context.Context, keys ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dies {
		return errors.New("the node has died, says the test")
	}
	c.all = append(c.all, keys)
	return nil
}

// What is found to be done has been told of before it is called visible, whatever the clock of the node that did it, and however long after its entry it came.
func TestOutcomeTells(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	before := image("before", config)
	for name, c := range map[string]struct {
		do   func(context.Context, *storage.Repository) error
		told []string // the ends of their keys
	}{
		"a push": {func(ctx context.Context, r *storage.Repository) error {
			return pushManifest(ctx, r, image("after", config), "a", "b")
		}, []string{"/_tags/a", "/_tags/b"}},
		"the deletion of a manifest": {func(ctx context.Context, r *storage.Repository) error {
			return r.DeleteManifest(ctx, digest.FromBytes(before), nil)
		}, []string{"/link"}},
		"the deletion of a tag": {func(ctx context.Context, r *storage.Repository) error { return r.DeleteTag(ctx, "a", nil) }, []string{"/_tags/a"}},
	} {
		for _, behind := range []time.Duration{0, 15 * time.Second, -15 * time.Second} {
			t.Run(name+" "+behind.String(), func(t *testing.T) {
				t.Parallel()
				fake := drivertest.NewFake(t)
				must(t, pushWhole(t.Context(), repository(fake), config))
				must(t, pushManifest(t.Context(), repository(fake), before, "a"))
				forget(t, fake)
				dying := storage.New(fake, storage.Options{Facts: &calls{dies: true}, Now: func() time.Time { return time.Now().Add(-behind) }})
				dying.HandTo(&outbox{})
				if err := c.do(t.Context(), dying.Repository(repoName)); err == nil {
					t.Fatal("it was acknowledged")
				}
				told := &calls{}
				r := storage.New(fake, storage.Options{Facts: told})
				e := journal(t, fake)[0]
				look := func(ctx context.Context) {
					t.Helper()
					for range 2 {
						if outcome, err := r.Outcome(ctx, e); err != nil || outcome != storage.Visible {
							t.Fatalf("it is %v, %v", outcome, err)
						}
					}
				}
				gathering, untold := storage.Gather(t.Context())
				look(gathering)
				if len(told.all) > 0 {
					t.Errorf("told of %v, which was to be gathered", told.all)
				}
				must(t, untold.Tell(t.Context()))
				if len(told.all) != 1 || !endAs(told.all[0], slices.Concat(c.told, c.told)) {
					t.Errorf("told of %v, want once of %v", told.all, c.told)
				}
				look(t.Context())
				if len(told.all) != 3 || !endAs(told.all[1], c.told) {
					t.Errorf("told of %v, want each time of %v", told.all, c.told)
				}
			})
		}
	}
}

func endAs(keys, ends []string) bool {
	return slices.EqualFunc(keys, ends, strings.HasSuffix)
}

// What is not called visible is not told of: it is looked at again and again.
func TestOutcomeTellsNothing(t *testing.T) {
	t.Parallel()
	fake, config := drivertest.NewFake(t), content(1, 10)
	must(t, pushWhole(t.Context(), repository(fake), config))
	m := image("", config)
	must(t, pushManifest(t.Context(), notified(fake, &outbox{}).Repository(repoName), m, "a"))
	e := journal(t, fake)[0]
	must(t, pushManifest(t.Context(), repository(fake), m, "a")) // it overwrites who has set the tag
	told := &calls{}
	r := storage.New(fake, storage.Options{Facts: told})
	gathering, untold := storage.Gather(t.Context())
	if outcome, err := r.Outcome(storage.Watched(gathering, 0), e); err != nil || outcome != storage.Pending {
		t.Fatalf("it is %v, %v", outcome, err)
	}
	if must(t, untold.Tell(t.Context())); len(told.all) > 0 {
		t.Errorf("told of %v", told.all)
	}
}
