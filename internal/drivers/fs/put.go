package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// buffers are what bodies and uploads pass through: one for each write under way.
var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// Put writes body to tmp and moves it into place.
func (d *Driver) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if err := d.mayWrite(ctx, key); err != nil {
		return drivers.Info{}, err
	}
	if cond.IfAbsent && cond.IfMatch != "" {
		return drivers.Info{}, fmt.Errorf("put %s: both IfAbsent and IfMatch are set", key)
	}
	old, err := d.judge(key, cond) // here only to spare the writing; what counts is the one under the lock
	if err != nil {
		return drivers.Info{}, err
	}
	var replaces time.Time
	if old != nil {
		replaces = old.ModTime()
	}
	tmp := tmpDir + "/" + strconv.FormatInt(d.tmpN.Add(1), 10)
	fi, err := d.writeFile(ctx, tmp, body, replaces)
	if err == nil {
		err = d.putInPlace(ctx, tmp, key, cond)
	}
	if err != nil || cond.IfAbsent {
		_ = d.sys.remove(d.root, tmp) // what stays is removed by the next Open
	}
	if err != nil {
		return drivers.Info{}, err
	}
	return infoOf(key, fi), nil
}

// writeFile makes a durable file at name with the rest of body, and a time of its own.
func (d *Driver) writeFile(ctx context.Context, name string, body io.Reader, replaces time.Time) (fi iofs.FileInfo, err error) {
	err = d.withFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, func(f *os.File) error {
		if _, err := d.copyTo(ctx, f, body); err != nil {
			return err
		}
		if err := d.sys.chtimes(d.root, name, d.clock.next(replaces)); err != nil {
			return err
		}
		if err := d.sys.sync(f); err != nil {
			return err
		}
		fi, err = f.Stat()
		return err
	})
	return fi, wrapWrite("put", name, err)
}

// copyTo writes the rest of src into the empty file dst.
func (d *Driver) copyTo(ctx context.Context, dst *os.File, src io.Reader) (off int64, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, rerr := fill(ctx, src, *buf)
		if n > 0 {
			if _, err := d.sys.writeAt(dst, (*buf)[:n], off); err != nil {
				return off, err
			}
			off += int64(n)
		}
		if rerr == io.EOF {
			return off, nil
		}
		if rerr != nil {
			return off, fmt.Errorf("reading the body: %w", rerr)
		}
	}
}

// fill reads until buf is full or src ends, and gives src's own error: io.ReadFull's ErrUnexpectedEOF for an end would be the same as that of a request
// body whose client went away.
func fill(ctx context.Context, src io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var m int
		m, err = src.Read(buf[n:])
		n += m
	}
	return n, err
}

// putInPlace moves the file tmp to key if cond holds, and makes that durable.
func (d *Driver) putInPlace(ctx context.Context, tmp, key string, cond drivers.Cond) error {
	unlock := d.keyLock(key)
	err := func() error {
		defer unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := d.judge(key, cond); err != nil {
			return err
		}
		move := d.sys.rename
		if cond.IfAbsent {
			move = d.sys.link
		}
		return wrapWrite("put", key, d.place(key, func() error { return move(d.root, tmp, key) }))
	}()
	if err != nil {
		return err
	}
	return unsure("put", key, d.dirs.settle(path.Dir(key)))
}

// judge says what is at key, nil if nothing, and fails with ErrPrecondition if cond does not hold. What it was that made cond fail is durable then: the
// caller is going to rely on it.
func (d *Driver) judge(key string, cond drivers.Cond) (iofs.FileInfo, error) {
	fi, err := d.sys.lstat(d.root, key)
	if missing(err) {
		fi, err = nil, nil
	}
	switch {
	case err != nil:
		return nil, wrap("put", key, err)
	case fi != nil && !fi.Mode().IsRegular():
		return nil, fmt.Errorf("put %s: a folder or foreign file stands there", key)
	case cond.IfAbsent && fi == nil, cond.IfMatch != "" && fi != nil && etag(fi) == cond.IfMatch, cond == drivers.Cond{}:
		return fi, nil
	}
	if err := d.dirs.settle(path.Dir(key)); err != nil {
		return nil, unsure("put", key, err)
	}
	return nil, fmt.Errorf("put %s: %w", key, drivers.ErrPrecondition)
}

// wrapWrite is wrap for a call that puts a file in place: what it misses is no ErrNotFound but a folder that somebody removed, and what is in its way
// is an ErrPrecondition.
func wrapWrite(op, key string, err error) error {
	switch {
	case ours(err):
		return wrap(op, key, err)
	case errors.Is(err, iofs.ErrNotExist):
		return unsure(op, key, err)
	case missing(err):
		return fmt.Errorf("%s %s: %s", op, key, err)
	case errors.Is(err, iofs.ErrExist):
		return fmt.Errorf("%s %s: %w", op, key, drivers.ErrPrecondition)
	}
	return wrap(op, key, err)
}
