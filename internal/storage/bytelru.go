package storage

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// byteLRU keeps values up to a number of bytes, and forgets what was not asked for longest. Safe for concurrent use. A nil one keeps nothing.
type byteLRU[K comparable, V any] struct {
	limit int64

	mu    sync.Mutex
	items *simplelru.LRU[K, weighed[V]]
	bytes int64
}

type weighed[V any] struct {
	value V
	bytes int64
}

// newByteLRU keeps up to limit bytes.
func newByteLRU[K comparable, V any](limit int64) *byteLRU[K, V] {
	l := &byteLRU[K, V]{limit: limit}
	var err error
	l.items, err = simplelru.NewLRU(math.MaxInt, func(_ K, gone weighed[V]) { l.bytes -= gone.bytes })
	if err != nil {
		panic(err) // only a length below one can fail
	}
	return l
}

func (l *byteLRU[K, V]) get(key K) (value V, ok bool) {
	if l == nil {
		return value, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.items.Get(key)
	return found.value, ok
}

// add keeps a value that takes so many bytes, in the place of the one there was. One that is longer than all there is room for is not kept.
func (l *byteLRU[K, V]) add(key K, value V, bytes int64) {
	if l == nil || bytes > l.limit {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items.Remove(key)
	for l.bytes+bytes > l.limit {
		l.items.RemoveOldest()
	}
	l.items.Add(key, weighed[V]{value, bytes})
	l.bytes += bytes
}

func (l *byteLRU[K, V]) remove(key K) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items.Remove(key)
}

func (l *byteLRU[K, V]) size() (entries int, bytes int64) {
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.items.Len(), l.bytes
}
