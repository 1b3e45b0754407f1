package facts

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxSightings bounds what a process knows to have settled, at about 150 bytes each. One that it forgets is waited for again.
const maxSightings = 64 << 10

// sightings are the versions that this process has seen, each with the moment from which on nobody is given an older one (see the package comment).
// Safe for concurrent use.
type sightings struct {
	seen  *lru.Cache[sighting, time.Duration] // monotonic time since start; zero or less: settled
	start time.Time
}

// sighting is the hash of a key and a version.
type sighting [16]byte

func newSightings() *sightings {
	seen, err := lru.New[sighting, time.Duration](maxSightings)
	if err != nil {
		panic(err) // only a length below one can fail
	}
	return &sightings{seen, time.Now()}
}

func hash(key, version string) sighting {
	sum := sha256.Sum256([]byte(key + "\x00" + version))
	return sighting(sum[:16])
}

// settle notes that the version has settled.
func (s *sightings) settle(key, version string) {
	if version != "" {
		s.seen.Add(hash(key, version), 0)
	}
}

// due is when the version settles, if the process sees it for the first time, or has settled.
func (s *sightings) due(key, version string, first time.Time) time.Time {
	h := hash(key, version)
	earlier, seen, _ := s.seen.PeekOrAdd(h, first.Sub(s.start))
	if !seen {
		return first
	}
	s.seen.Get(h) // it is used
	return s.start.Add(earlier)
}

// settled says whether nobody is given an older version any more. A version that is empty has no older one.
func (s *sightings) settled(key, version string) bool {
	if version == "" {
		return true
	}
	due, seen := s.seen.Get(hash(key, version))
	return seen && due <= time.Since(s.start)
}
