package s3

import "math/rand/v2"

// S3 numbers the parts of an upload from 1 to 10,000, in ascending order and with gaps if one likes.
const (
	maxParts = 10_000

	// Up to this number an Append takes every sixteenth only, beginning at a random one: two that go on from the same Session, of which one will win,
	// then hardly ever overwrite each other's parts. If they do, the loser's overwritten part makes the winner's Complete fail; the bytes under a
	// digest are right in any case, because Complete names the ETag of each part.
	spreadUntil = 4000
	spread      = 16

	// Behind it the parts grow twofold with every so many.
	growEvery = 500
)

// plan says how the parts of an upload are numbered and sized.
type plan struct {
	chunk   int64 // bytes of a part to begin with
	limit   int64 // bytes of a part at most; what one upload may hold in memory of it is for share to say
	uniform bool
	lane    int // 0 to spread-1
}

func (d *Driver) newPlan() plan {
	return plan{
		chunk: d.config.ChunkSize, limit: maxPart,
		uniform: d.config.UniformParts, lane: rand.IntN(spread),
	}
}

// LeastPart is what S3 takes as a part that is not the last. See drivers.Parter.
func (d *Driver) LeastPart() int64 { return minPart }

// share is how many bytes of memory one upload may hold, at most. A part that is planned larger is put together from tails, and may stay at half its
// size: so a blob of 5 TiB fits into 10,000 parts whatever the memory, if not quickly.
func (d *Driver) share() int64 { return max(d.config.Memory/2, d.config.ChunkSize) }

// next is the number of the part behind last; it is above maxParts when there is none.
func (p plan) next(last int) int {
	if last >= spreadUntil {
		return last + 1
	}
	return last + 1 + (p.lane-(last+1)%spread+spread)%spread
}

// size is how many bytes the part of that number takes.
func (p plan) size(number int) int64 {
	size := p.chunk
	for n := spreadUntil + growEvery; !p.uniform && n < number && size < p.limit; n += growEvery {
		size = min(2*size, p.limit)
	}
	return size
}

// enough says whether so many bytes may be a part of that number although they are not all it could take. Parts that are small late in an upload
// would use up the numbers.
func (p plan) enough(number int, bytes int64) bool {
	if p.uniform {
		return bytes == p.size(number)
	}
	return bytes >= max(minPart, min(p.size(number)/2, p.size(number)-p.chunk))
}
