package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/registryd/registryd/internal/drivers"
)

// fakeLine is what is stored under one Session.Key: the Sessions of that key are prefixes of it.
type fakeLine struct {
	data   chunks
	owner  *fakeAppend // the call that makes it longer
	closed bool        // it is not to grow any more: there were Sessions behind its end
}

// fakeAppend is one Append under way.
type fakeAppend struct {
	f      *Fake
	from   drivers.Session
	fresh  string
	prefix chunks // what from names
	src    drivers.Source

	at     drivers.Session // the end of what is durable
	last   drivers.Session // what the caller knows of it
	told   drivers.Session // what it was told of, if that is more
	line   *fakeLine
	made   bool
	handed bool
	tail   chunks // read, and not durable yet
}

// Append stores what it reads every PartSize and at the end.
func (f *Fake) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	a, err := f.begin(ctx, s, fresh, src)
	if err != nil {
		return s, err
	}
	defer a.release()
	buf := make([]byte, 256<<10)
	for off, next, save := s.Offset, s.Offset+f.PartSize, s.Offset+drivers.SaveInterval; ; {
		if err := ctx.Err(); err != nil {
			return a.fail(err)
		}
		n, err := src.Read(buf[:min(next-off, int64(len(buf)))])
		off += int64(n)
		if n > 0 {
			a.tail = append(a.tail, bytes.Clone(buf[:n]))
		}
		switch {
		case err == io.EOF:
			return a.end(nil)
		case errors.Is(err, drivers.ErrDiscard):
			a.discard()
			return s, err
		case err != nil:
			return a.end(err)
		case off == next:
			next += f.PartSize
			if a.at, err = a.flush(); err != nil {
				return a.fail(err)
			}
			if w, ok := src.(drivers.Watcher); ok {
				a.told = a.at
				w.Reached(a.at)
			}
			if off < save || saved == nil {
				continue
			}
			save += drivers.SaveInterval
			a.last, a.handed = a.at, true
			if err := saved(a.at); err != nil {
				return a.fail(err)
			}
		}
	}
}

func (f *Fake) begin(ctx context.Context, s drivers.Session, fresh string, src drivers.Source) (*fakeAppend, error) {
	defer f.call(OpAppend)()
	keys := []string{fresh}
	if s.Key != "" {
		keys = append(keys, s.Key)
	}
	if err := f.mayRead(ctx, keys...); err != nil {
		return nil, err
	}
	if f.fresh[fresh] || f.written[fresh] {
		return nil, f.misuse("append with the fresh key %s, which was used before", fresh)
	}
	a := &fakeAppend{f: f, from: s, fresh: fresh, src: src, at: s, last: s}
	if s.Key != "" {
		ln, err := f.lineOf(s)
		if err != nil {
			return nil, err
		}
		a.prefix = ln.data.cut(0, s.Offset)
	}
	if err := f.step(func() {}); err != nil {
		return nil, err
	}
	f.fresh[fresh] = true
	return a, nil
}

// lineOf gives what s is a prefix of. The store is locked.
func (f *Fake) lineOf(s drivers.Session) (*fakeLine, error) {
	ln := f.lines[s.Key]
	if ln == nil || ln.data.size() < s.Offset {
		return nil, fmt.Errorf("session %s at %d: %w", s.Key, s.Offset, drivers.ErrNotFound)
	}
	return ln, nil
}

// end makes all that was read durable, and gives the source's error if that worked.
func (a *fakeAppend) end(rerr error) (drivers.Session, error) {
	s, err := a.flush()
	if err != nil {
		return a.fail(err)
	}
	return s, rerr
}

// fail takes back what no Session names, and says where to go on.
func (a *fakeAppend) fail(err error) (drivers.Session, error) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	switch {
	case a.line == nil || a.line.owner != a:
	case a.made && !a.handed && a.told.Key == "":
		delete(a.f.lines, a.fresh)
	default:
		a.line.data = a.line.data.cut(0, max(a.last.Offset, a.told.Offset))
	}
	return a.last, err
}

// flush makes what was read durable.
func (a *fakeAppend) flush() (drivers.Session, error) {
	mark, err := a.src.Mark()
	if err != nil {
		return drivers.Session{}, err
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	s := drivers.Session{Key: a.at.Key, Offset: a.at.Offset + a.tail.size(), Mark: bytes.Clone(mark), State: []byte("fake")}
	if a.line == nil && a.from.Key != "" {
		ln, err := a.f.lineOf(a.from)
		if err != nil {
			return s, err
		}
		if len(a.tail) == 0 {
			return s, a.f.step(func() {})
		}
		if ln.owner == nil && !ln.closed && ln.data.size() == a.from.Offset {
			a.line, ln.owner = ln, a
		}
	}
	if a.line == nil {
		s.Key = a.fresh
		a.line, a.made = &fakeLine{data: a.prefix, owner: a}, true
		return s, a.apply(func() { a.f.lines[a.fresh] = a.line })
	}
	if a.line.owner != a {
		return s, fmt.Errorf("append to %s: committed or aborted meanwhile: %w", s.Key, drivers.ErrNotFound)
	}
	return s, a.apply(func() {})
}

// apply stores the tail.
func (a *fakeAppend) apply(first func()) error {
	err := a.f.step(func() {
		first()
		a.line.data = append(a.line.data[:len(a.line.data):len(a.line.data)], a.tail...)
	})
	a.tail = nil
	return err
}

// discard drops what this call stored.
func (a *fakeAppend) discard() {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	switch {
	case a.line == nil || a.line.owner != a:
	case a.made:
		delete(a.f.lines, a.fresh)
	default:
		a.line.data = a.prefix
		a.line.closed = a.handed
	}
}

func (a *fakeAppend) release() {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.line != nil && a.line.owner == a {
		a.line.owner = nil
	}
}
