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
	"syscall"

	"github.com/registryd/registryd/internal/drivers"
)

// errNotRegular: something stands where an object's file would, but it is not one.
var errNotRegular = fmt.Errorf("not a regular file: %w", drivers.ErrNotFound)

// Stat reads the file's inode, not its content.
func (d *Driver) Stat(ctx context.Context, key string) (drivers.Info, error) {
	if err := mayRead(ctx, key); err != nil {
		return drivers.Info{}, err
	}
	fi, err := d.sys.lstat(d.root, key)
	if err == nil && !fi.Mode().IsRegular() {
		err = errNotRegular
	}
	if err == nil {
		err = d.dirs.settleDoubts(path.Dir(key))
	}
	if err != nil {
		return drivers.Info{}, wrap("stat", key, err)
	}
	return infoOf(key, fi), nil
}

// Open opens the file; what replaces the object later is another file, so the bytes stay those of the Info.
func (d *Driver) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	if err := mayRead(ctx, key); err != nil {
		return nil, drivers.Info{}, err
	}
	if off < 0 {
		return nil, drivers.Info{}, fmt.Errorf("open %s: negative offset %d", key, off)
	}
	// Not to follow a link or to wait at a pipe that somebody left there.
	f, err := d.sys.open(d.root, key, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK)
	if err != nil {
		return nil, drivers.Info{}, wrap("open", key, err)
	}
	r, info, err := d.opened(f, key, off, n)
	if err != nil {
		return nil, drivers.Info{}, errors.Join(wrap("open", key, err), f.Close())
	}
	return r, info, nil
}

func (d *Driver) opened(f *os.File, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, drivers.Info{}, err
	}
	if !fi.Mode().IsRegular() {
		return nil, drivers.Info{}, errNotRegular
	}
	if err := d.dirs.settleDoubts(path.Dir(key)); err != nil {
		return nil, drivers.Info{}, err
	}
	left := max(fi.Size()-off, 0)
	if n < 0 || n > left {
		n = left
	}
	return &reader{SectionReader: io.NewSectionReader(f, off, n), f: f}, infoOf(key, fi), nil
}

// reader is a part of a file.
type reader struct {
	*io.SectionReader
	f *os.File
}

func (r *reader) Close() error { return r.f.Close() }

func mayRead(ctx context.Context, key string) error {
	if err := drivers.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

func infoOf(key string, fi iofs.FileInfo) drivers.Info {
	return drivers.Info{Key: key, Size: fi.Size(), ETag: etag(fi), ModTime: fi.ModTime()}
}

// etag tells the versions of an object apart; see the package comment.
func etag(fi iofs.FileInfo) string {
	var inode uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	b := strconv.AppendInt(nil, fi.Size(), 36)
	b = strconv.AppendInt(append(b, '-'), fi.ModTime().UnixNano(), 36)
	b = strconv.AppendUint(append(b, '-'), inode, 36)
	return string(b)
}
