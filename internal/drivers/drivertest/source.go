package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/registryd/registryd/internal/drivers"
)

// noise is what all test content is cut from. Its length is no multiple of anything, so bytes at a wrong place are wrong bytes.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20+7)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// stream is a Source: the bytes from..to of the endless content number id. Its Mark is the place in it.
type stream struct {
	id, from, to int64
	step         int   // bytes in one Read, at most; 0 is as many as are asked for
	err          error // in place of io.EOF
}

var _ drivers.Source = (*stream)(nil)

func (s *stream) Read(p []byte) (int, error) {
	if s.from == s.to {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.to-s.from)]
	if s.step > 0 {
		p = p[:min(len(p), s.step)]
	}
	at := (s.from + s.id*104729) % int64(len(noise()))
	n := copy(p, noise()[at:])
	s.from += int64(n)
	return n, nil
}

func (s *stream) Mark() ([]byte, error) { return mark(s.id, s.from), nil }

func mark(id, off int64) []byte {
	b, _ := json.Marshal([2]int64{id, off})
	return b
}

// append adds the bytes s.Offset..to of content id to s, with a fresh key.
func (k *kit) append(s drivers.Session, fresh string, id, to int64) drivers.Session {
	k.Helper()
	got, err := k.d.Append(k.Context(), s, fresh, &stream{id: id, from: s.Offset, to: to}, nil)
	k.must(err)
	k.isAt(got, id, to)
	return got
}

// isAt checks that s is behind the first off bytes of content id.
func (k *kit) isAt(s drivers.Session, id, off int64) {
	k.Helper()
	if s.Key == "" || s.Offset != off || !bytes.Equal(s.Mark, mark(id, off)) {
		k.Fatalf("session %+v is not at offset %d with the mark %s", s, off, mark(id, off))
	}
}

// commit commits s and checks the object against want, and that another Commit gives the same.
func (k *kit) commit(s drivers.Session, want io.Reader) drivers.Info {
	k.Helper()
	k.notVisible(s)
	info, err := k.d.Commit(k.Context(), s)
	k.must(err)
	if info.Key != s.Key || info.Size != s.Offset {
		k.Fatalf("commit of %+v gave %+v", s, info)
	}
	k.same("open", k.holds(s.Key, want), info)
	again, err := k.d.Commit(k.Context(), s)
	k.must(err)
	k.same("repeated commit", again, info)
	return info
}

// content is the first n bytes of content id.
func content(id, n int64) io.Reader { return &stream{id: id, to: n} }

// notVisible checks that nothing of an upload shows before its Commit.
func (k *kit) notVisible(s drivers.Session) {
	k.Helper()
	if !k.h.Direct {
		k.wantAbsent(s.Key)
	}
}

// canceling is a Source that never ends, and cancels a context once it has been read from.
type canceling struct {
	stream
	cancel context.CancelFunc
	after  int64
}

func (c *canceling) Read(p []byte) (int, error) {
	if c.from >= c.after {
		c.cancel()
	}
	return c.stream.Read(p)
}
