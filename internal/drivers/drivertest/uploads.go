package drivertest

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/registryd/registryd/internal/drivers"
)

// errSource is what sources fail with. It is an error that request bodies end with when the client goes away, and that must not pass for an end.
var errSource = fmt.Errorf("the client went away: %w", io.ErrUnexpectedEOF)

var uploadTests = []test{
	{"sizes and steps", func(k *kit) {
		for i, c := range []struct {
			size int64
			step int
		}{{0, 0}, {1, 0}, {5, 1}, {3000, 1}, {100_000, 777}, {1 << 20, 0}, {2<<20 + 3, 0}} {
			s, err := k.d.Append(k.Context(), drivers.Session{}, fmt.Sprintf("up/%d", i), &stream{id: 1, to: c.size, step: c.step}, nil)
			k.must(err)
			k.isAt(s, 1, c.size)
			k.commit(s, content(1, c.size))
		}
	}},
	{"many appends, empty ones too", func(k *kit) {
		var s drivers.Session
		for i, to := range []int64{0, 0, 1, 1, 300_000, 300_001, 300_001, 900_000} {
			s = k.append(s, fmt.Sprintf("up/%d", i), 1, to)
		}
		k.commit(s, content(1, 900_000))
	}},
	{"another process goes on", func(k *kit) {
		s := k.append(drivers.Session{}, "up/1", 1, 1000)
		k.reopen()
		s = k.append(s, "up/2", 1, 2000)
		k.reopen()
		info := k.commit(s, content(1, 2000))
		k.reopen()
		again, err := k.d.Commit(k.Context(), s)
		k.must(err)
		k.same("repeated commit", again, info)
	}},
	{"a source that fails keeps what was read", func(k *kit) {
		var s drivers.Session
		for i, to := range []int64{10, 10, 400_000, 400_001} {
			var err error
			s, err = k.d.Append(k.Context(), s, fmt.Sprintf("up/%d", i), &stream{id: 1, from: s.Offset, to: to, err: errSource}, nil)
			k.wantErr("append", err, errSource)
			k.isAt(s, 1, to)
			k.reopen()
		}
		s = k.append(s, "up/last", 1, 500_000)
		k.commit(s, content(1, 500_000))
	}},
	{"a source that fails at once", func(k *kit) {
		s, err := k.d.Append(k.Context(), drivers.Session{}, "up/1", &stream{id: 1, err: errSource}, nil)
		k.wantErr("append", err, errSource)
		s = k.append(s, "up/2", 1, 10)
		k.commit(s, content(1, 10))
	}},
	{"discard drops what was read", func(k *kit) {
		discard := fmt.Errorf("wrong digest: %w", drivers.ErrDiscard)
		s, err := k.d.Append(k.Context(), drivers.Session{}, "up/0", &stream{id: 2, to: 1000, err: discard}, nil)
		k.wantErr("append", err, drivers.ErrDiscard)
		if s.Key != "" || s.Offset != 0 {
			k.Fatalf("gave %+v", s)
		}
		s = k.append(s, "up/1", 1, 1000)
		for i, to := range []int64{1000, 1001, 900_000} {
			got, err := k.d.Append(k.Context(), s, fmt.Sprintf("up/x%d", i), &stream{id: 2, from: 1000, to: to, err: discard}, nil)
			k.wantErr("append", err, drivers.ErrDiscard)
			k.isAt(got, 1, 1000)
		}
		s = k.append(s, "up/2", 1, 2000)
		k.commit(s, content(1, 2000))
	}},
	{"a mark that cannot be made fails the append", func(k *kit) {
		s := k.append(drivers.Session{}, "up/1", 1, 1000)
		cause := errors.New("no state")
		_, err := k.d.Append(k.Context(), s, "up/2", markless{&stream{id: 1, from: 1000, to: 2000}, cause}, nil)
		k.wantErr("append", err, cause)
		s = k.append(s, "up/3", 1, 2000)
		k.commit(s, content(1, 2000))
	}},
	{"commit is exclusive", func(k *kit) {
		_, err := k.d.Commit(k.Context(), drivers.Session{})
		k.wantErr("commit of nothing", err, drivers.ErrNotFound)
		_, err = k.d.Commit(k.Context(), drivers.Session{Key: "up/never", Offset: 10})
		k.wantErr("commit of what never was", err, drivers.ErrNotFound)
		s := k.append(drivers.Session{}, "up/1", 1, 1000)
		k.together(8, func(int) error {
			_, err := k.d.Commit(k.Context(), s)
			return err
		})
		k.holds(s.Key, content(1, 1000))
	}},
	{"abort", func(k *kit) {
		k.must(k.d.Abort(k.Context(), drivers.Session{}))
		k.must(k.d.Abort(k.Context(), drivers.Session{Key: "up/never", Offset: 10}))
		s := k.append(drivers.Session{}, "up/1", 1, 1000)
		k.must(k.d.Abort(k.Context(), s))
		k.must(k.d.Abort(k.Context(), s))
		k.gone(s)
		k.reopen()
		k.gone(s)
	}},
	{"abort after commit keeps the object", func(k *kit) {
		s1 := k.append(drivers.Session{}, "up/1", 1, 1000)
		s2 := k.append(s1, "up/2", 1, 2000)
		k.commit(s2, content(1, 2000))
		k.must(k.d.Abort(k.Context(), s2))
		k.must(k.d.Abort(k.Context(), s1))
		k.holds(s2.Key, content(1, 2000))
		_, err := k.d.Commit(k.Context(), s2)
		k.must(err)
	}},
	{"append after commit does not touch the object", func(k *kit) {
		s1 := k.append(drivers.Session{}, "up/1", 1, 1000)
		s2 := k.append(s1, "up/2", 1, 2000)
		info := k.commit(s2, content(1, 2000))
		for i, s := range []drivers.Session{s1, s2} {
			k.forkOrGone(s, fmt.Sprintf("up/x%d", i), s2.Key)
			k.same("open", k.holds(s2.Key, content(1, 2000)), info)
		}
	}},
	{"after a delete nothing comes back", func(k *kit) {
		s := k.append(drivers.Session{}, "up/1", 1, 1000)
		k.commit(s, content(1, 1000))
		k.must(k.d.Delete(k.Context(), s.Key))
		k.wantAbsent(s.Key)
		_, err := k.d.Commit(k.Context(), s)
		if !k.h.Direct {
			k.wantErr("commit", err, drivers.ErrNotFound)
		}
		k.wantAbsent(s.Key)
	}},
	{"a large upload", large},
	{"a source that watches is told of good sessions", watched},
	{"what was dropped does not come back as something else", dropped},
}

// large uploads so much that saved is called, and looks at all that this brings with it.
func large(k *kit) {
	const size = 150 << 20
	var saved []drivers.Session
	end, err := k.d.Append(k.Context(), drivers.Session{}, "up/large", &stream{id: 1, to: size}, func(s drivers.Session) error {
		k.isAt(s, 1, s.Offset)
		saved = append(saved, s)
		return nil
	})
	k.must(err)
	k.isAt(end, 1, size)
	if len(saved) < 2 {
		k.Fatalf("saved was called %d times", len(saved))
	}
	var last int64
	for _, s := range saved {
		if s.Offset-last > drivers.SaveInterval+drivers.SaveInterval/4 {
			k.Errorf("%d bytes went by without a call of saved", s.Offset-last)
		}
		last = s.Offset
	}
	stop := errors.New("another request has taken over")
	at, err := k.d.Append(k.Context(), end, "up/stopped", &stream{id: 1, from: size, to: 1 << 50}, func(drivers.Session) error { return stop })
	k.wantErr("append", err, stop)
	k.isAt(at, 1, at.Offset)
	k.reopen()

	// The first of the saved ones goes on with bytes of its own, and the first line is none the worse for it.
	fork, err := k.d.Append(k.Context(), saved[0], "up/fork", &stream{id: 2, from: 0, to: 1000}, nil)
	k.must(err)
	other := branch{fork, forked(saved[0].Offset, 2, 1000)}
	if fork.Key == end.Key && k.h.Direct {
		k.commitForks(branch{end, func() io.Reader { return content(1, size) }}, other)
		return
	}
	k.commit(fork, other.want())
	k.must(k.d.Delete(k.Context(), fork.Key))
	k.commit(end, content(1, size))
}

// watching is a Source that is told how far Append came.
type watching struct {
	stream
	mu   sync.Mutex // held while Reached or saved runs
	told []drivers.Session
}

func (w *watching) Reached(s drivers.Session) {
	if !w.mu.TryLock() {
		panic("Reached is called while it is, or while saved is")
	}
	defer w.mu.Unlock()
	w.told = append(w.told, s)
}

// watched goes on from sessions that a driver told of, if it tells of any, after the Append has ended, and after one has failed.
func watched(k *kit) {
	const size = 90 << 20
	src := &watching{stream: stream{id: 1, to: size}}
	end, err := k.d.Append(k.Context(), drivers.Session{}, "up/watched", src, func(drivers.Session) error {
		if !src.mu.TryLock() {
			return errors.New("saved is called while Reached is")
		}
		defer src.mu.Unlock()
		return nil
	})
	k.must(err)
	k.isAt(end, 1, size)
	if k.h.Direct && len(src.told) == 0 {
		k.Error("a store over a network was told of nothing on the way")
	}
	var last int64
	for _, s := range src.told {
		if s.Offset <= last || s.Offset > size {
			k.Errorf("told of offset %d after %d", s.Offset, last)
		}
		k.isAt(s, 1, s.Offset)
		last = s.Offset
	}

	stop := errors.New("stop")
	other := &watching{stream: stream{id: 1, from: 1000, to: 1 << 50}}
	start := k.append(drivers.Session{}, "up/1", 1, 1000)
	_, err = k.d.Append(k.Context(), start, "up/2", other, func(drivers.Session) error { return stop })
	k.wantErr("append", err, stop)
	k.reopen()
	for i, from := range [][]drivers.Session{src.told, other.told} {
		if len(from) == 0 {
			continue
		}
		s := k.appendAs(from[0], fmt.Sprintf("up/on%d", i), 2, 1000)
		k.commit(s, forked(from[0].Offset, 2, 1000)())
	}
}

// dropped discards an append of which some was saved, and appends other bytes in its place.
func dropped(k *kit) {
	const more = drivers.SaveInterval + drivers.SaveInterval/4
	var saved []drivers.Session
	s := k.append(drivers.Session{}, "up/0", 1, 1000)
	got, err := k.d.Append(k.Context(), s, "up/1", &stream{id: 2, to: more, err: drivers.ErrDiscard}, func(s drivers.Session) error {
		saved = append(saved, s)
		return nil
	})
	k.wantErr("append", err, drivers.ErrDiscard)
	k.isAt(got, 1, 1000)
	instead := k.appendAs(s, "up/2", 3, more)
	for _, old := range saved {
		_, err := k.d.Commit(k.Context(), old)
		switch {
		case errors.Is(err, drivers.ErrNotFound), errors.Is(err, drivers.ErrPrecondition):
		case err != nil:
			k.Fatal(err)
		default:
			k.holds(old.Key, forked(1000, 2, old.Offset-1000)())
		}
	}
	k.commit(instead, forked(1000, 3, more)())
}

// gone checks that nothing can be done with s any more.
func (k *kit) gone(s drivers.Session) {
	k.Helper()
	if k.h.Direct {
		return
	}
	_, err := k.d.Append(k.Context(), s, k.fresh(), &stream{id: 1, from: s.Offset, to: s.Offset + 10}, nil)
	k.wantErr("append to what is gone", err, drivers.ErrNotFound)
	_, err = k.d.Commit(k.Context(), s)
	k.wantErr("commit of what is gone", err, drivers.ErrNotFound)
	k.wantAbsent(s.Key)
}

// forkOrGone appends to an old session of content 1, which may be gone. What comes of it must have the right bytes, and another key than the object taken.
func (k *kit) forkOrGone(s drivers.Session, fresh, taken string) {
	k.Helper()
	got, err := k.d.Append(k.Context(), s, fresh, &stream{id: 2, from: 0, to: 500}, nil)
	if errors.Is(err, drivers.ErrNotFound) {
		return
	}
	k.must(err)
	if got.Key == taken {
		_, err := k.d.Commit(k.Context(), got)
		k.wantErr("commit to a key that is taken", err, drivers.ErrPrecondition)
		return
	}
	k.commit(got, io.MultiReader(content(1, s.Offset), content(2, 500)))
}

// markless is a Source that cannot say where it is.
type markless struct {
	io.Reader
	err error
}

func (m markless) Mark() ([]byte, error) { return nil, m.err }
