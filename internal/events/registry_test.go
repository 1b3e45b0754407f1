package events

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// TestWithRegistry: pushes to a registry arrive with digest and tag, none before its tag can be pulled, and the journal is empty in the end.
func TestWithRegistry(t *testing.T) {
	t.Parallel()
	registry := storage.New(drivertest.NewFake(t), storage.Options{})
	var early atomic.Int32
	s := newSink(t, Options{Backoff: time.Millisecond, MaxBackoff: time.Millisecond})
	s.answers(func(events []Event) int {
		for _, event := range events {
			got, err := registry.Repository(event.Target.Repository).StatManifest(t.Context(), reference.Reference{Tag: event.Target.Tag})
			if err != nil || got.Digest != event.Target.Digest {
				early.Add(1)
			}
		}
		return http.StatusOK
	})
	e := New(Settings{Registry: registry, Instance: "node", Endpoints: []*Endpoint{s.Endpoint}})
	e.times = quick
	registry.HandTo(e)
	journal := runUntilEnd(t, registry.RunJournal)
	node := runUntilEnd(t, e.Run)

	index := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	want := digest.FromBytes(index)
	for i := range 30 {
		_, err := registry.Repository("some/repo").PutManifest(t.Context(), storage.Push{
			Tags: []reference.Tag{tag(i)}, MediaType: "application/vnd.oci.image.index.v1+json", Content: index,
			Note: func(p storage.Pushed) []byte {
				note, err := Note(e.Origin(Request{Method: http.MethodPut}, Actor{}).ManifestPushed(Target{Repository: "some/repo", Tag: tag(i), Digest: p.Digest}))
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
	eventually(t, "the journal is empty", func() bool {
		ids, _, err := registry.Journal(t.Context(), "", 10)
		return err == nil && len(ids) == 0
	})
	node()
	journal()
	s.mu.Lock()
	defer s.mu.Unlock()
	tags := map[reference.Tag]bool{}
	for _, event := range s.got {
		tags[event.Target.Tag] = event.Target.Digest == want
	}
	for i := range 30 {
		if !tags[tag(i)] {
			t.Errorf("the push of %s did not arrive, or not with its digest", tag(i))
		}
	}
	if early.Load() != 0 {
		t.Errorf("%d events arrived before their tags could be pulled", early.Load())
	}
}
