package storage

import (
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// cache is what a process remembers of what does not change: where the bytes of a digest are, which are in the pointer if they are few, and the bytes
// of longer manifests. None of it says that a repository has the blob: that is a fact of its own, asked each time. A nil cache remembers nothing.
type cache struct {
	items             *byteLRU[cacheKey, any]
	pointer, manifest cacheUse
}

type cacheKey struct {
	content bool // the bytes of a manifest, else a pointer
	digest  digest.Digest

	signatures digest.Digest // of a list of them: the bytes of a manifest with these
}

type cacheUse struct{ hits, misses atomic.Uint64 }

func (u *cacheUse) count(hit bool) {
	if hit {
		u.hits.Add(1)
	} else {
		u.misses.Add(1)
	}
}

const (
	// cacheOverhead is about what an entry takes besides the bytes that are counted, in bytes.
	cacheOverhead = 600

	// maxCached is how long a manifest may be to be remembered, in bytes.
	maxCached = 4 << 20
)

func newCache(limit int64) *cache {
	if limit <= 0 {
		return nil
	}
	return &cache{items: newByteLRU[cacheKey, any](limit)}
}

// place is a pointer with bytes to be read, and when it was last known to be live.
type place struct {
	*pointer
	seen       time.Time // a moment before it was read; zero where that may not be relied on
	remembered bool      // it was not read just now
}

func (c *cache) place(d digest.Digest) (at place, ok bool) {
	if c == nil {
		return at, false
	}
	found, ok := c.items.get(cacheKey{digest: d})
	c.pointer.count(ok)
	if ok {
		at = found.(place)
		at.remembered = true
	}
	return at, ok
}

// learn remembers a pointer that was live after the moment seen. What CNCF Distribution left without a pointer is not remembered, nor is what the
// collector is about to take.
func (c *cache) learn(d digest.Digest, p stored[pointer], seen time.Time) {
	if c != nil && p.etag != "" && p.live() && p.Value.State == stateLive {
		c.items.add(cacheKey{digest: d}, place{pointer: p.Value, seen: seen}, int64(cap(p.Value.Inline))+cacheOverhead)
	}
}

// forget is for a pointer whose data was not there.
func (c *cache) forget(d digest.Digest) {
	if c != nil {
		c.items.remove(cacheKey{digest: d})
	}
}

func (c *cache) content(d digest.Digest) (content []byte, ok bool) {
	if c == nil {
		return nil, false
	}
	found, ok := c.items.get(cacheKey{content: true, digest: d})
	c.manifest.count(ok)
	if ok {
		content = found.([]byte)
	}
	return content, ok
}

// learnContent remembers a manifest that its pointer is too small for.
func (c *cache) learnContent(d digest.Digest, content []byte) {
	if c != nil && len(content) > inlineLimit && len(content) <= maxCached {
		c.items.add(cacheKey{content: true, digest: d}, content, int64(cap(content))+cacheOverhead)
	}
}

// servedManifest is a manifest with its signatures, and what is to be known of these bytes.
type servedManifest struct {
	Descriptor
	content []byte
}

// signed gives what came of a manifest and a list of signatures.
func (c *cache) signed(d, signatures digest.Digest) (served servedManifest, ok bool) {
	if c == nil {
		return served, false
	}
	found, ok := c.items.get(cacheKey{content: true, digest: d, signatures: signatures})
	c.manifest.count(ok)
	if ok {
		served = found.(servedManifest)
	}
	return served, ok
}

func (c *cache) learnSigned(d, signatures digest.Digest, served servedManifest) {
	if c != nil && len(served.content) <= maxCached {
		c.items.add(cacheKey{content: true, digest: d, signatures: signatures}, served, int64(cap(served.content))+cacheOverhead)
	}
}

// CacheStats are the figures of what a process remembers of what does not change.
type CacheStats struct {
	Entries      int
	Bytes, Limit int64
	Hits, Misses map[string]uint64 // by what was asked for: "pointer", or "manifest" for one that is longer than a pointer or signed
}

// CacheStats gives the figures so far; all are zero where nothing is to be remembered.
func (r *Registry) CacheStats() CacheStats {
	c := r.cache
	if c == nil {
		c = &cache{}
	}
	stats := CacheStats{
		Hits:   map[string]uint64{"pointer": c.pointer.hits.Load(), "manifest": c.manifest.hits.Load()},
		Misses: map[string]uint64{"pointer": c.pointer.misses.Load(), "manifest": c.manifest.misses.Load()},
	}
	if c.items != nil {
		stats.Limit = c.items.limit
	}
	stats.Entries, stats.Bytes = c.items.size()
	return stats
}
