package s3

import (
	"testing"
)

const (
	gib = 1 << 30
	tib = 1 << 40
)

func planOf(t *testing.T, config Config) plan {
	t.Helper()
	config.Bucket = "b"
	if err := config.check(); err != nil {
		t.Fatal(err)
	}
	return (&Driver{config: config}).newPlan()
}

// TestPlanReach: how large a blob can become in 10,000 parts, even if each is only as large as the memory lets it become (see relieve). S3 takes objects
// of 5 TiB.
func TestPlanReach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config Config
		least  int64
	}{
		{"as it comes", Config{}, 5 * tib},
		{"1 GiB of memory", Config{Memory: gib}, 5 * tib},
		{"4 GiB of memory", Config{Memory: 4 * gib}, 5 * tib},
		{"64 GiB of memory", Config{Memory: 64 * gib}, 5 * tib},
		{"the smallest parts, 8 GiB of memory", Config{ChunkSize: minPart, Memory: 8 * gib}, 5 * tib},
		{"parts of 1 GiB", Config{ChunkSize: gib, Memory: 4 * gib}, 5 * tib},
		{"uniform parts of 1 GiB", Config{ChunkSize: gib, Memory: 2 * gib, UniformParts: true}, 5 * tib},
		{"uniform parts as they come", Config{UniformParts: true}, 90 * gib},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := planOf(t, c.config)
			c.config.Bucket = "b"
			if err := c.config.check(); err != nil {
				t.Fatal(err)
			}
			share := (&Driver{config: c.config}).share()
			for p.lane = range spread {
				var reach int64
				for number := p.next(0); number <= maxParts; number = p.next(number) {
					size := min(p.size(number), share)
					for !p.enough(number, size) {
						size += share
					}
					reach += min(size, p.size(number))
				}
				if reach < c.least {
					t.Errorf("lane %d reaches %d GiB, want %d", p.lane, reach/gib, c.least/gib)
				}
				if p.lane == 0 {
					t.Logf("%s: %d GiB", c.name, reach/gib)
				}
			}
		})
	}
}

// TestPlanNumbers ascend by lanes: two Appends that go on from the same part use the same number only when they drew the same lane, or late.
func TestPlanNumbers(t *testing.T) {
	t.Parallel()
	p := planOf(t, Config{Memory: 4 * gib})
	for last := range maxParts {
		seen := map[int]bool{}
		for p.lane = range spread {
			next := p.next(last)
			if next <= last || next > last+spread {
				t.Fatalf("lane %d: %d comes behind %d", p.lane, next, last)
			}
			if seen[next] != (last >= spreadUntil && p.lane > 0) {
				t.Fatalf("lane %d: %d behind %d is taken by another lane", p.lane, next, last)
			}
			seen[next] = true
		}
	}
	if next := p.next(maxParts); next <= maxParts {
		t.Errorf("%d comes behind the last part", next)
	}
}

// TestPlanSizes never shrink, stay below the limit, and a full part is always enough of one.
func TestPlanSizes(t *testing.T) {
	t.Parallel()
	for _, config := range []Config{
		{}, {ChunkSize: minPart, Memory: 16 << 20}, {ChunkSize: 6 << 20, Memory: 1 << 40}, {UniformParts: true}, {ChunkSize: maxPart, Memory: 1 << 40},
	} {
		p := planOf(t, config)
		last := int64(0)
		for number := 1; number <= maxParts; number++ {
			size := p.size(number)
			if size < last || size < minPart || size > maxPart || size > p.limit {
				t.Fatalf("%+v: part %d has %d bytes, the one before %d", p, number, size, last)
			}
			if !p.enough(number, size) || p.enough(number, minPart-1) {
				t.Fatalf("%+v: part %d of %d bytes", p, number, size)
			}
			if p.uniform && p.enough(number, size-1) {
				t.Fatalf("%+v: %d bytes are not a uniform part", p, size-1)
			}
			last = size
		}
	}
}
