package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"

	"github.com/registryd/registryd/internal/drivers"
)

// Append writes src behind s, into the staging file of s if that ends exactly there and nobody else writes to it, otherwise into a copy.
func (d *Driver) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	if err := d.mayAppend(ctx, s, fresh); err != nil {
		return s, err
	}
	a := &appender{d: d, ctx: ctx, from: s, fresh: fresh, src: src, saved: saved, key: s.Key, off: s.Offset, last: s}
	defer a.release()
	if err := a.begin(); err != nil {
		return s, err
	}
	rerr, err := a.stream()
	if errors.Is(rerr, drivers.ErrDiscard) {
		a.discard()
		return s, rerr
	}
	var end drivers.Session
	if err == nil {
		end, err = a.durable()
	}
	if err != nil {
		a.dropTail()
		if a.theirs != nil {
			return a.last, a.theirs
		}
		return a.last, d.wrapAppend(a.key, err)
	}
	return end, rerr
}

func (d *Driver) mayAppend(ctx context.Context, s drivers.Session, fresh string) error {
	keys := []string{fresh}
	if s.Key != "" {
		keys = append(keys, s.Key)
	}
	if err := d.mayWrite(ctx, keys...); err != nil {
		return err
	}
	if s.Offset < 0 || s.Key == "" && s.Offset != 0 {
		return fmt.Errorf("append to %q at offset %d: no such session: %w", s.Key, s.Offset, drivers.ErrNotFound)
	}
	return nil
}

// wrapAppend is wrap for an Append: a file that exists is not a condition that failed.
func (d *Driver) wrapAppend(key string, err error) error {
	if errors.Is(err, iofs.ErrExist) {
		return fmt.Errorf("append: the key %s was used before", key)
	}
	return d.wrapStaged("append", key, err)
}

// appender is one Append under way.
type appender struct {
	d     *Driver
	ctx   context.Context
	from  drivers.Session
	fresh string
	src   drivers.Source
	saved func(drivers.Session) error

	key  string // that of the Sessions which this call gives
	off  int64  // bytes behind from's start that are written
	last drivers.Session

	theirs error // of saved or Mark, to be given back as it is

	// From the first byte on:
	file   string // staging file
	f      *os.File
	line   *line
	done   func() // gives line back
	made   bool   // file is this call's own: it did not exist before
	handed bool   // saved was given a Session
}

// begin fails early if there is nothing to append to, and makes the file of an upload that starts here.
func (a *appender) begin() error {
	if a.from.Key == "" {
		a.d.sweepNowAndThen()
		if err := a.create(); err != nil {
			a.dropTail()
			return a.d.wrapAppend(a.fresh, err)
		}
		return nil
	}
	f, _, err := a.d.openStaged(a.from, os.O_RDONLY)
	if err == nil {
		err = f.Close()
	}
	return a.d.wrapAppend(a.from.Key, err)
}

// stream writes all of src. The first error is that of src, the second any other.
func (a *appender) stream() (rerr, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for next := a.off + drivers.SaveInterval; ; {
		n, rerr := fill(a.ctx, a.src, (*buf)[:min(int64(len(*buf)), next-a.off)])
		if err := a.ctx.Err(); err != nil && errors.Is(rerr, err) {
			return nil, err
		}
		if n > 0 && !errors.Is(rerr, drivers.ErrDiscard) {
			if err := a.write((*buf)[:n]); err != nil {
				return nil, err
			}
		}
		if rerr == io.EOF {
			return nil, nil
		}
		if rerr != nil {
			return rerr, nil
		}
		if a.off == next {
			next += drivers.SaveInterval
			if err := a.save(); err != nil {
				return nil, err
			}
		}
	}
}

// write adds p to the file, and finds the file to add to if there is none yet.
func (a *appender) write(p []byte) error {
	if a.f == nil {
		if err := a.target(); err != nil {
			return err
		}
	}
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	if a.line.owner != a {
		return fmt.Errorf("committed or aborted meanwhile: %w", drivers.ErrNotFound)
	}
	if _, err := a.d.sys.writeAt(a.f, p, a.off); err != nil {
		return err
	}
	a.off += int64(len(p))
	return nil
}

// durable makes what was written durable and gives the Session that names it.
func (a *appender) durable() (drivers.Session, error) {
	mark, err := a.src.Mark()
	if err != nil {
		a.theirs = err
		return drivers.Session{}, err
	}
	if a.f != nil {
		if err := a.d.sys.sync(a.f); err != nil {
			return drivers.Session{}, err
		}
		if err := a.d.dirs.settle(stagingDir); err != nil {
			return drivers.Session{}, err
		}
		a.line.mu.Lock()
		defer a.line.mu.Unlock()
		if a.line.owner != a {
			return drivers.Session{}, fmt.Errorf("committed or aborted meanwhile: %w", drivers.ErrNotFound)
		}
	}
	return drivers.Session{Key: a.key, Offset: a.off, Mark: mark}, nil
}

func (a *appender) save() error {
	s, err := a.durable()
	if err != nil {
		return err
	}
	if a.saved == nil {
		return nil
	}
	a.last, a.handed = s, true
	a.theirs = a.saved(s)
	return a.theirs
}
