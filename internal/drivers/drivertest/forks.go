package drivertest

import (
	"errors"
	"fmt"
	"io"

	"github.com/registryd/registryd/internal/drivers"
)

// Sessions are snapshots: these tests go on from one Session more than once.
var forkTests = []test{
	{"two go on from one session, one after the other", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		a := k.appendAs(s, "up/a", 2, 500)
		b := k.appendAs(s, "up/b", 3, 700)
		k.commitForks(branch{a, forked(1000, 2, 500)}, branch{b, forked(1000, 3, 700)})
	}},
	{"two go on from one session at once", func(k *kit) {
		for round, size := range []int64{0, 1, 1000, 300_000} {
			s := k.append(drivers.Session{}, fmt.Sprintf("up/%d/0", round), 1, size)
			var got [4]drivers.Session
			k.together(len(got), func(i int) (err error) {
				src := &stream{id: int64(i) + 2, to: 200_000 + int64(i), step: 10_000}
				got[i], err = k.d.Append(k.Context(), s, fmt.Sprintf("up/%d/%d", round, i+1), src, nil)
				return err
			})
			var all []branch
			for i, s := range got {
				all = append(all, branch{s, forked(size, int64(i)+2, 200_000+int64(i))})
			}
			k.commitForks(all...)
		}
	}},
	{"the same bytes twice", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		a := k.append(s, "up/a", 1, 2000)
		b := k.append(s, "up/b", 1, 2000)
		want := func() io.Reader { return content(1, 2000) }
		k.commitForks(branch{a, want}, branch{b, want})
	}},
	{"an older session can be committed", func(k *kit) {
		older := k.append(drivers.Session{}, "up/0", 1, 1000)
		newer := k.append(older, "up/1", 1, 2000)
		k.commitForks(branch{older, func() io.Reader { return content(1, 1000) }}, branch{newer, func() io.Reader { return content(1, 2000) }})
	}},
	{"an older session goes on after a newer one", func(k *kit) {
		s1 := k.append(drivers.Session{}, "up/1", 1, 1000)
		s2 := k.append(s1, "up/2", 1, 2000)
		s3 := k.append(s2, "up/3", 1, 3000)
		k.reopen()
		f1 := k.appendAs(s1, "up/f1", 2, 10)
		f2 := k.appendAs(s2, "up/f2", 3, 10)
		f11 := k.appendAs(f1, "up/f11", 4, 10)
		k.commitForks(
			branch{s3, func() io.Reader { return content(1, 3000) }},
			branch{f2, forked(2000, 3, 10)},
			branch{f11, func() io.Reader { return io.MultiReader(content(1, 1000), content(2, 10), content(4, 10)) }},
		)
	}},
	{"after a discard and a failure too", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		a, err := k.d.Append(k.Context(), s, "up/a", &stream{id: 2, to: 500, err: errSource}, nil)
		k.wantErr("append", err, errSource)
		_, err = k.d.Append(k.Context(), s, "up/b", &stream{id: 3, to: 600, err: drivers.ErrDiscard}, nil)
		k.wantErr("append", err, drivers.ErrDiscard)
		_, err = k.d.Append(k.Context(), a, "up/c", &stream{id: 4, to: 600, err: drivers.ErrDiscard}, nil)
		k.wantErr("append", err, drivers.ErrDiscard)
		b := k.appendAs(s, "up/d", 5, 700)
		k.commitForks(branch{a, forked(1000, 2, 500)}, branch{b, forked(1000, 5, 700)})
	}},
	{"a commit while another append writes", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		reading, goOn := make(chan struct{}), make(chan struct{})
		src := &gated{stream: stream{id: 2, to: 3 << 20}, at: 1 << 20, reached: reading, goOn: goOn}
		ended := make(chan error, 1)
		var other drivers.Session
		go func() {
			var err error
			other, err = k.d.Append(k.Context(), s, "up/1", src, nil)
			ended <- err
		}()
		<-reading
		info := k.commit(s, content(1, 1000))
		close(goOn)
		err := <-ended
		k.same("open", k.holds(s.Key, content(1, 1000)), info)
		if errors.Is(err, drivers.ErrNotFound) {
			return
		}
		k.must(err)
		k.commitOther(branch{other, forked(1000, 2, 3<<20)}, s.Key)
		k.same("open", k.holds(s.Key, content(1, 1000)), info)
	}},
	{"an abort while another append writes", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		reading, goOn := make(chan struct{}), make(chan struct{})
		src := &gated{stream: stream{id: 2, to: 3 << 20}, at: 1 << 20, reached: reading, goOn: goOn}
		ended := make(chan error, 1)
		var other drivers.Session
		go func() {
			var err error
			other, err = k.d.Append(k.Context(), s, "up/1", src, nil)
			ended <- err
		}()
		<-reading
		k.must(k.d.Abort(k.Context(), s))
		k.gone(s)
		close(goOn)
		if err := <-ended; !errors.Is(err, drivers.ErrNotFound) {
			k.must(err)
			k.commitOther(branch{other, forked(1000, 2, 3<<20)}, "")
		}
	}},
	{"an append and commits of many at once", func(k *kit) {
		s := k.append(drivers.Session{}, "up/0", 1, 1000)
		k.together(6, func(i int) error {
			if i%2 == 0 {
				_, err := k.d.Commit(k.Context(), s)
				return err
			}
			got, err := k.d.Append(k.Context(), s, fmt.Sprintf("up/%d", i), &stream{id: 2, to: 100_000}, nil)
			if errors.Is(err, drivers.ErrNotFound) {
				return nil
			}
			if err == nil && got.Offset != 101_000 {
				err = fmt.Errorf("append gave %+v", got)
			}
			return err
		})
		k.holds(s.Key, content(1, 1000))
	}},
}

// branch is a Session and the bytes that were appended to get to it.
type branch struct {
	s    drivers.Session
	want func() io.Reader
}

// forked is the content of a branch: n bytes of content 1, and then more of another.
func forked(n, id, more int64) func() io.Reader {
	return func() io.Reader { return io.MultiReader(content(1, n), content(id, more)) }
}

// appendAs adds the first n bytes of content id to s.
func (k *kit) appendAs(s drivers.Session, fresh string, id, n int64) drivers.Session {
	k.Helper()
	got, err := k.d.Append(k.Context(), s, fresh, &stream{id: id, to: n}, nil)
	k.must(err)
	if got.Offset != s.Offset+n {
		k.Fatalf("%d bytes behind %+v gave %+v", n, s, got)
	}
	return got
}

// commitForks commits the first branch, and then the others, which may have become impossible. Never are the bytes of one found under another.
func (k *kit) commitForks(all ...branch) {
	k.Helper()
	first := all[0]
	info := k.commit(first.s, first.want())
	for _, b := range all[1:] {
		k.commitOther(b, first.s.Key)
		k.same("open", k.holds(first.s.Key, first.want()), info)
	}
}

// commitOther commits a branch of an upload that was committed at taken.
func (k *kit) commitOther(b branch, taken string) {
	k.Helper()
	info, err := k.d.Commit(k.Context(), b.s)
	switch {
	case b.s.Key == taken && errors.Is(err, drivers.ErrPrecondition):
	case b.s.Key != taken && errors.Is(err, drivers.ErrNotFound):
		k.wantAbsent(b.s.Key)
	default:
		k.must(err)
		k.same("open", k.holds(b.s.Key, b.want()), info)
	}
}

// gated is a Source that stops in the middle until it is told to go on.
type gated struct {
	stream
	at            int64
	reached, goOn chan struct{}
	passed        bool
}

func (g *gated) Read(p []byte) (int, error) {
	if g.from >= g.at && !g.passed {
		g.passed = true
		close(g.reached)
		<-g.goOn
	}
	return g.stream.Read(p)
}
