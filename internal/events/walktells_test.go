package events

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// told are the Facts of a node, which note what it tells of.
type told struct {
	mu    sync.Mutex
	keys  map[string]bool
	calls int
}

func (*told) Fetch(ctx context.Context, _ string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	fact, err := read(ctx)
	return fact.Value, err
}

func (f *told) Changed(_ context.Context, keys ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for _, key := range keys {
		f.keys[key] = true
	}
	return nil
}

// of says whether a tag was told of.
func (f *told) of(tag reference.Tag) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.keys {
		if strings.HasSuffix(key, "/_tags/"+string(tag)) {
			return true
		}
	}
	return false
}

type unheard struct{}

func (unheard) Committed(storage.Entry) {}

// TestTellsFirst: before the relay sends what a node left that died, it tells all nodes what that one may not have, for many pushes at once.
func TestTellsFirst(t *testing.T) {
	t.Parallel()
	const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	store, facts := drivertest.NewFake(t), &told{keys: map[string]bool{}}
	died := storage.New(store, storage.Options{})
	died.HandTo(unheard{})
	for i := range 120 {
		_, err := died.Repository("some/repo").PutManifest(t.Context(), storage.Push{
			Tags: []reference.Tag{tag(i)}, MediaType: "application/vnd.oci.image.index.v1+json", Content: []byte(index),
			Note: func(p storage.Pushed) []byte {
				note, err := Note(origin().ManifestPushed(Target{Repository: "some/repo", Tag: tag(i), Digest: p.Digest}))
				if err != nil {
					t.Error(err)
				}
				return note
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := newSink(t, Options{})
	s.answers(func(events []Event) int {
		if !facts.of(events[0].Target.Tag) {
			t.Errorf("%s is sent, and nobody was told of it", events[0].Target.Tag)
		}
		return http.StatusOK
	})
	run(t, Settings{Registry: storage.New(store, storage.Options{Facts: facts}), Endpoints: []*Endpoint{s.Endpoint}}, nil)
	eventually(t, "all arrive", func() bool { n, _ := s.took(); return n == 120 })
	facts.mu.Lock()
	defer facts.mu.Unlock()
	if facts.calls > 3 {
		t.Errorf("it told %d times, want once for %d entries", facts.calls, ruledAtOnce)
	}
}
