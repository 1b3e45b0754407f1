package fs

import (
	"context"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// Commit moves the staging file of s to its key.
func (d *Driver) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	if s.Key == "" {
		return drivers.Info{}, fmt.Errorf("commit of a session that has no bytes: %w", drivers.ErrNotFound)
	}
	if err := d.mayWrite(ctx, s.Key); err != nil {
		return drivers.Info{}, err
	}
	file := staged(s.Key)
	ln, done := d.lines.use(file)
	defer done()
	ln.mu.Lock()
	defer ln.mu.Unlock()
	defer d.keyLock(s.Key)()

	fi, err := d.committed(s)
	if fi == nil && err == nil {
		fi, err = d.commit(ln, file, s)
	}
	if err != nil {
		return drivers.Info{}, err
	}
	return infoOf(s.Key, fi), nil
}

// committed gives the object that s already is, nil if nothing stands at its key. Only Sessions of one staging file share a key, and each is
// a prefix of the longer ones, so the size tells which of them it was.
func (d *Driver) committed(s drivers.Session) (iofs.FileInfo, error) {
	fi, err := d.sys.lstat(d.root, s.Key)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap("commit", s.Key, err)
	}
	if err := d.dirs.settle(path.Dir(s.Key)); err != nil {
		return nil, unsure("commit", s.Key, err)
	}
	if !fi.Mode().IsRegular() || fi.Size() != s.Offset {
		return nil, fmt.Errorf("commit %s: %w", s.Key, drivers.ErrPrecondition)
	}
	return fi, nil
}

// commit makes the staging file the object. Nothing stands at the key, and nothing can come there before the caller gives up the key's lock, so
// it is moved; a link would leave a second name, through which the object could come back after it was deleted.
func (d *Driver) commit(ln *line, file string, s drivers.Session) (iofs.FileInfo, error) {
	fi, err := d.seal(ln, file, s)
	if err != nil {
		return nil, d.wrapStaged("commit", s.Key, err)
	}
	move := func() error {
		return d.dirs.change(stagingDir, func() error { return d.sys.rename(d.root, file, s.Key) })
	}
	if err := d.place(s.Key, move); err != nil {
		return nil, wrapWrite("commit", s.Key, err)
	}
	if err := d.dirs.settle(path.Dir(s.Key)); err != nil {
		return nil, unsure("commit", s.Key, err)
	}
	return fi, nil
}

// seal gives the staging file exactly the bytes of s and a time of its own, durably. An Append that is writing to it is put off: what it
// adds could not be committed any more. Longer Sessions end here as well, for this commit makes them invalid.
func (d *Driver) seal(ln *line, file string, s drivers.Session) (iofs.FileInfo, error) {
	f, size, err := d.openStaged(s, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln.owner = nil
	if size > s.Offset {
		if err := d.sys.truncate(f, s.Offset); err != nil {
			return nil, err
		}
	}
	if err := d.sys.chtimes(d.root, file, d.clock.next(time.Time{})); err != nil {
		return nil, err
	}
	if err := d.sys.sync(f); err != nil {
		return nil, err
	}
	return f.Stat()
}

// Abort removes the staging file of s.
func (d *Driver) Abort(ctx context.Context, s drivers.Session) error {
	if s.Key == "" {
		return ctx.Err()
	}
	if err := d.mayWrite(ctx, s.Key); err != nil {
		return err
	}
	file := staged(s.Key)
	ln, done := d.lines.use(file)
	defer done()
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.owner = nil
	err := d.dirs.change(stagingDir, func() error { return d.sys.remove(d.root, file) })
	if err == nil || missing(err) {
		err = d.dirs.settle(stagingDir)
	}
	return unsure("abort", s.Key, err)
}
