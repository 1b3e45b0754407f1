//go:build stores

package s3_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
)

// TestForks: two nodes go on from one Session at once, with other bytes. Whatever is committed then is what one of them sent.
func TestForks(t *testing.T) {
	t.Parallel()
	bucket := config(stores["minio"](t))
	bucket.ChunkSize, bucket.Memory = 5*mib, 64*mib
	nodes := [2]*s3.Driver{openWith(t, bucket, nil), openWith(t, bucket, nil)}
	won, both := 0, 0
	for round := range 30 {
		var base []piece
		s := drivers.Session{}
		if n := int64(round % 4); n > 0 { // a tail alone, or parts
			base = append(base, piece{uint64(round), n*3*mib + n})
			s = mustAppend(t, nodes[0], s, keyOf("base", round), base[0])
		}
		if round%8 > 4 { // an upload in parts with a tail, however small it is
			base = append(base, piece{500 + uint64(round), 1})
			s = mustAppend(t, nodes[1], s, keyOf("more", round), base[1])
		}
		own := [2]piece{{1000 + uint64(round), sizeOf(round)}, {2000 + uint64(round), sizeOf(round + 1)}}
		var done [2]drivers.Session
		var errs [2]error
		var group sync.WaitGroup
		for i, node := range nodes {
			group.Go(func() {
				saved := func(drivers.Session) error { return nil }
				if done[i], errs[i] = node.Append(t.Context(), s, keyOf("fork", 2*round+i), newNoise(own[i].seed, own[i].n), saved); errs[i] == nil {
					_, errs[i] = node.Commit(t.Context(), done[i])
				}
			})
		}
		group.Wait()
		winners := 0
		for i := range nodes {
			switch err := errs[i]; {
			case err == nil:
				winners++
				isMadeOf(t, nodes[1-i], done[i].Key, append(base[:len(base):len(base)], own[i])...)
			case !errors.Is(err, drivers.ErrPrecondition) && !errors.Is(err, drivers.ErrNotFound):
				t.Errorf("round %d: %v", round, err)
			}
		}
		won += min(winners, 1)
		both += winners / 2
	}
	t.Logf("of 30 rounds %d had a winner, %d had two", won, both)
	if won < 25 {
		t.Error("too many had none")
	}
}

// sizeOf lies between 5 and 40 MiB, mostly low, and is seldom a number of whole parts.
func sizeOf(round int) int64 {
	if round == 9 || round == 20 {
		return 40 * mib
	}
	return int64(5+round%4)*mib + int64(round%3)*12345
}
