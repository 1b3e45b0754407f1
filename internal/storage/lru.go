package storage

import lru2 "github.com/hashicorp/golang-lru/v2"

// lru is a bounded set that forgets what was not asked for longest.
type lru[K comparable] struct {
	cache *lru2.Cache[K, struct{}]
}

func newLRU[K comparable](length int) *lru[K] {
	cache, err := lru2.New[K, struct{}](length)
	if err != nil {
		panic(err) // only a length below one can fail
	}
	return &lru[K]{cache}
}

func (l *lru[K]) has(key K) bool { _, ok := l.cache.Get(key); return ok }
func (l *lru[K]) add(key K)      { l.cache.Add(key, struct{}{}) }
