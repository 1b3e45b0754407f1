package fs

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// abandoned is how old a staging file is when nobody is coming back for it: twice as long as an upload may take.
const abandoned = 48 * time.Hour

// openStaged opens the staging file of s and gives its size, at least s.Offset; or ErrNotFound if s is gone.
func (d *Driver) openStaged(s drivers.Session, flag int) (*os.File, int64, error) {
	f, err := d.sys.open(d.root, staged(s.Key), flag)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() < s.Offset {
		err = fmt.Errorf("dropped: %w", drivers.ErrNotFound)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

// wrapStaged is wrap for a call on a staging file. Without the folder of them all, a file that is missing says nothing about its upload.
func (d *Driver) wrapStaged(op, key string, err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		if _, gone := d.sys.lstat(d.root, stagingDir); gone != nil {
			return unsure(op, key, gone)
		}
	}
	return wrap(op, key, err)
}

// target finds the file to write to: that of the Session, or a copy.
func (a *appender) target() error {
	if mine, err := a.claim(); mine || err != nil {
		return err
	}
	prefix, _, err := a.d.openStaged(a.from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer prefix.Close()
	if err := a.create(); err != nil {
		return err
	}
	n, err := a.d.copyTo(a.ctx, a.f, io.LimitReader(prefix, a.from.Offset))
	if err == nil && n < a.from.Offset {
		err = fmt.Errorf("dropped meanwhile: %w", drivers.ErrNotFound)
	}
	return err
}

// claim makes this call the one that extends the Session's own file, if it ends where the Session does and no other call has it.
func (a *appender) claim() (mine bool, err error) {
	file := staged(a.from.Key)
	ln, done := a.d.lines.use(file)
	ln.mu.Lock()
	defer ln.mu.Unlock()
	f, size, err := a.d.openStaged(a.from, os.O_RDWR)
	if err != nil {
		done()
		return false, err
	}
	if size != a.from.Offset || ln.owner != nil {
		done()
		return false, f.Close()
	}
	ln.owner = a
	a.file, a.f, a.line, a.done = file, f, ln, done
	return true, nil
}

// create makes the staging file of the fresh key, owned by this call.
func (a *appender) create() error {
	a.key, a.file = a.fresh, staged(a.fresh)
	a.line, a.done = a.d.lines.use(a.file)
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	err := a.d.dirs.change(stagingDir, func() (err error) {
		a.f, err = a.d.sys.open(a.d.root, a.file, os.O_CREATE|os.O_EXCL|os.O_RDWR)
		return err
	})
	if !errors.Is(err, iofs.ErrExist) {
		a.line.owner, a.made = a, true
	}
	return err
}

// dropTail takes back what no Session names, so that the next Append need not copy. If it cannot, that one copies.
func (a *appender) dropTail() {
	if a.made && !a.handed {
		a.drop(true, 0)
		return
	}
	a.drop(false, a.last.Offset)
}

// discard takes back all that this call wrote. If there are Sessions that name some of it, the file keeps one byte more than from: then nobody
// goes on in this file, and no other bytes ever come to stand where those Sessions point.
func (a *appender) discard() {
	end := a.from.Offset
	if a.handed {
		end++
	}
	a.drop(a.made, end)
}

func (a *appender) drop(whole bool, end int64) {
	if a.line == nil {
		return
	}
	a.line.mu.Lock()
	defer a.line.mu.Unlock()
	switch {
	case a.line.owner != a:
	case whole:
		_ = a.d.dirs.change(stagingDir, func() error { return a.d.sys.remove(a.d.root, a.file) })
	default:
		_ = a.d.sys.truncate(a.f, end)
	}
}

// release gives the file to whoever wants it next.
func (a *appender) release() {
	if a.line == nil {
		return
	}
	a.line.mu.Lock()
	if a.line.owner == a {
		a.line.owner = nil
	}
	a.line.mu.Unlock()
	a.done()
	if a.f != nil {
		_ = a.f.Close() // what matters was synced
	}
}

// sweepNowAndThen removes abandoned staging files, once an hour.
func (d *Driver) sweepNowAndThen() {
	now, last := d.sys.now().Unix(), d.swept.Load()
	if now-last >= 3600 && d.swept.CompareAndSwap(last, now) {
		_ = d.sweep() // what it could not remove, the next one tries again
	}
}

// sweep removes the staging files that are abandoned.
func (d *Driver) sweep() error {
	d.swept.Store(d.sys.now().Unix())
	return d.withFile(stagingDir, os.O_RDONLY, func(dir *os.File) error {
		names, err := dir.Readdirnames(-1)
		for _, name := range names {
			if err := d.sweepOne(stagingDir + "/" + name); err != nil {
				return err
			}
		}
		return err
	})
}

func (d *Driver) sweepOne(file string) error {
	ln, done := d.lines.use(file)
	defer done()
	ln.mu.Lock()
	defer ln.mu.Unlock()
	fi, err := d.sys.lstat(d.root, file)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ln.owner != nil || d.sys.now().Sub(fi.ModTime()) < abandoned {
		return nil
	}
	return d.dirs.change(stagingDir, func() error { return d.sys.remove(d.root, file) })
}
