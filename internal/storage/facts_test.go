package storage_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/storage"
)

// memory is what nodes remember in common, for as long as nobody says that it has changed. With that, whatever is forgotten to be told is seen for ever.
type memory struct {
	mu     sync.Mutex
	facts  map[string]storage.Fact
	turns  map[string]int  // how often a key was told of: nobody may remember what was read before
	untold map[string]bool // records that were swapped since somebody told of them
	told   []string
}

func newMemory() *memory {
	return &memory{facts: map[string]storage.Fact{}, turns: map[string]int{}, untold: map[string]bool{}}
}

func (m *memory) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	m.mu.Lock()
	found, ok := m.facts[key]
	turn := m.turns[key]
	m.mu.Unlock()
	if ok {
		return found.Value, nil
	}
	fact, err := read(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if fact.Value != nil && m.turns[key] == turn {
		m.facts[key] = fact
	}
	return fact.Value, nil
}

func (m *memory) Changed(ctx context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.facts, key)
		delete(m.untold, key)
		m.turns[key]++
	}
	m.told = append(m.told, keys...)
	return ctx.Err()
}

// shared says whether a record is one that is asked for through Facts.
func shared(key string) bool {
	return strings.Contains(key, "/_tags/") || strings.Contains(key, "/_layers/") || strings.Contains(key, "/revisions/") && strings.HasSuffix(key, "/link")
}

// noted is a store that notes in the memory what was swapped.
type noted struct {
	drivers.Driver
	memory *memory
}

func (n noted) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	info, err := n.Driver.Put(ctx, key, body, cond)
	created := cond.IfMatch == ""                                 // nobody remembers what never was
	linked := info.Size > 0 && strings.Contains(key, "/_layers/") // that there was no link, nobody remembers
	if err == nil && shared(key) && !created && !linked {
		n.memory.mu.Lock()
		defer n.memory.mu.Unlock()
		n.memory.untold[key] = true
	}
	return info, err
}

// remembering is a node that remembers all it can, with others and alone.
func remembering(d drivers.Driver, m *memory) *storage.Registry {
	return storage.New(noted{d, m}, storage.Options{Facts: m, CacheBytes: 1 << 20})
}

// allTold fails if a record was swapped and nobody told of it.
func (m *memory) allTold(t testing.TB, what string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.untold {
		t.Errorf("%s: %s was swapped, and an answer given before that was told", what, key)
	}
}

// toldOf gives the keys that were told of and hold part.
func (m *memory) toldOf(part string) (keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.told {
		if strings.Contains(key, part) {
			keys = append(keys, key)
		}
	}
	return keys
}
