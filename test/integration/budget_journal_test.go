//go:build stores

package integration_test

import (
	"fmt"
	"net/http"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// taker is an Outbox that has everything delivered at once.
type taker struct {
	registry *storage.Registry
	taken    int
}

func (o *taker) Committed(e storage.Entry) {
	o.taken++
	o.registry.Settle(e.ID)
}

// TestBudgetJournal: a push costs the same whether or not somebody is to be told of it, and what it wrote in the journal is removed with that of others.
func TestBudgetJournal(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	const pushes, blobs = 40, 2
	for seed, told := range map[uint64]bool{1000: false, 2000: true} {
		name := reference.Name(fmt.Sprintf("repo-%v", told))
		registry := storage.New(openS3(m.T, m.bucket, s3.Options{Transport: m.drivers.wrap}), storage.Options{})
		outbox := &taker{registry: registry}
		if told {
			registry.HandTo(outbox)
		}
		pusher := m.node()
		push := func(tag string, manifest []byte) func() {
			return func() {
				in := storage.Push{Tags: []reference.Tag{reference.Tag(tag)}, MediaType: v1.MediaTypeImageManifest, Content: manifest,
					Note: func(storage.Pushed) []byte { return []byte("an event") }}
				if _, err := registry.Repository(name).PutManifest(m.Context(), in); err != nil {
					m.Fatal(err)
				}
			}
		}
		push("first", pusher.imageOf(string(name), blobs, seed))()
		for i := range pushes {
			got := m.costs(fmt.Sprintf("a manifest, events %v", told), 6+2*blobs, push("latest", pusher.imageOf(string(name), blobs, seed+1+uint64(i))))
			if got.retries == 0 && got.operations["DeleteObject"]+got.operations["DeleteObjects"] > 0 {
				m.Errorf("a push removed something: %v", got)
			}
		}
		m.costs("a deletion of a tag", 3, func() {
			if err := registry.Repository(name).DeleteTag(m.Context(), "first", nil); err != nil {
				m.Fatal(err)
			}
		})
		m.costs(fmt.Sprintf("%d entries of the journal, removed", pushes+2), 1, func() {
			if err := registry.FlushJournal(m.Context()); err != nil {
				m.Fatal(err)
			}
		})
		if told && outbox.taken != pushes+2 {
			m.Errorf("told of %d pushes and deletions", outbox.taken)
		}
		if ids, _, err := registry.Journal(m.Context(), "", 10); err != nil || len(ids) > 0 {
			m.Errorf("%d entries are left, %v", len(ids), err)
		}
		pusher.do("GET", "/v2/"+string(name)+"/manifests/latest").want(http.StatusOK)
	}
}
