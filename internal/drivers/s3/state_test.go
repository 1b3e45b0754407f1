package s3

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

const (
	sampleKey  = "docker/registry/v2/data/ab/01JZ0000000000000000000001"
	sampleETag = `"0123456789abcdef0123456789abcdef"`
)

var sampleStates = map[string]state{
	"nothing":      {},
	"a tail alone": {Tail: tail{Key: sampleKey, Size: 17, ETag: sampleETag}},
	"all of it": {
		Upload: "an id/with=signs", Token: "ABCDEFGHIJKLM",
		Parts:    []part{{3, 16 << 20, sampleETag}, {19, 5 << 20, `"other-form"`}, {10_000, 5 << 30, `W/"x"`}},
		Tail:     tail{Key: "docker/registry/v2/data/cd/01JZ0000000000000000000002-1", Size: 1, ETag: `""`},
		Obsolete: []string{sampleKey, "elsewhere", sampleKey + "-2"},
	},
	"ETags that look like MD5s": {
		Upload: "u", Parts: []part{{1, 1, `"0123456789ABCDEF0123456789abcdef"`}, {2, 2, strings.Repeat("x", 34)}, {3, 3, ""}, {4, 4, `"0123456789abcdef0123456789abcdeg"`}},
	},
}

func TestStateRoundTrip(t *testing.T) {
	t.Parallel()
	for name, want := range sampleStates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(drivers.Session{Key: sampleKey, State: want.encode(sampleKey)})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		})
	}
}

// TestStateIsShort: it goes into a token, which has to fit into a URL.
func TestStateIsShort(t *testing.T) {
	t.Parallel()
	s := state{Upload: strings.Repeat("u", 80), Token: "ABCDEFGHIJKLM", Tail: tail{Key: sampleKey[:25] + "cd/01JZ0000000000000000000002", Size: 4 << 20, ETag: sampleETag}}
	for n := range 4 {
		s.Parts = append(s.Parts, part{16 * (n + 1), 16 << 20, sampleETag})
	}
	if n := len(s.encode(sampleKey)); n > 280 {
		t.Errorf("%d bytes", n)
	}
}

// TestStateDamaged is an error for every state that was cut off or made longer, and for one of another version; never a panic, never another upload.
func TestStateDamaged(t *testing.T) {
	t.Parallel()
	for name, s := range sampleStates {
		whole := s.encode(sampleKey)
		for n := range whole {
			if got, err := decode(drivers.Session{Key: sampleKey, State: whole[:n]}); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for %+v", name, n, len(whole), got)
			}
		}
		if _, err := decode(drivers.Session{Key: sampleKey, State: append(bytes.Clone(whole), 0)}); err == nil {
			t.Errorf("%s: a byte too many is taken", name)
		}
		whole[0]++
		if _, err := decode(drivers.Session{Key: sampleKey, State: whole}); !errors.Is(err, drivers.ErrNotFound) {
			t.Errorf("%s: another version gives %v", name, err)
		}
	}
	if _, err := decode(drivers.Session{Key: "a//b", State: []byte{stateVersion}}); !errors.Is(err, drivers.ErrInvalidKey) {
		t.Errorf("a bad key gives %v", err)
	}
}

// TestStateRandom goes there and back with states of any shape.
func TestStateRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string { return sampleKey[:r.IntN(len(sampleKey))] + strings.Repeat("z", r.IntN(3)) }
	etag := func() string {
		if r.IntN(4) == 0 {
			return text()
		}
		return sampleETag
	}
	for range 2000 {
		want := state{Upload: text(), Token: text(), Tail: tail{text(), r.Int64N(1 << 40), etag()}}
		for range r.IntN(4) {
			want.Obsolete = append(want.Obsolete, text())
		}
		last := 0
		for range r.IntN(20) {
			last += 1 + r.IntN(500)
			want.Parts = append(want.Parts, part{last, r.Int64N(1 << 33), etag()})
		}
		got, err := decode(drivers.Session{Key: sampleKey, State: want.encode(sampleKey)})
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Fatalf("got %+v and %v, want %+v", got, err, want)
		}
	}
}

// FuzzState: whatever a state is, decode gives an error or something that encodes to what decodes to the same.
func FuzzState(f *testing.F) {
	for _, s := range sampleStates {
		f.Add(sampleKey, s.encode(sampleKey))
	}
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		s, err := decode(drivers.Session{Key: key, State: b})
		if err != nil || len(b) == 0 {
			return
		}
		last := 0
		for _, p := range s.Parts {
			if p.Number <= last || p.Number > maxParts || p.Size < 0 {
				t.Fatalf("parts %+v", s.Parts)
			}
			last = p.Number
		}
		again, err := decode(drivers.Session{Key: key, State: s.encode(key)})
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%+v becomes %+v, %v", s, again, err)
		}
	})
}
