package fs

import (
	"context"
	"path"
)

// Delete unlinks one file after the other, and then syncs each directory once.
func (d *Driver) Delete(ctx context.Context, keys ...string) error {
	if err := d.mayWrite(ctx, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.unlink(key); err != nil {
			return unsure("delete", key, err)
		}
	}
	// Also for those that were not there: it may have been a Delete whose answer was lost that removed them.
	for _, key := range keys {
		if err := d.dirs.settle(path.Dir(key)); err != nil {
			return unsure("delete", key, err)
		}
	}
	return nil
}

// unlink removes the file at key, if there is one, and the directories that this leaves empty.
func (d *Driver) unlink(key string) error {
	defer d.keyLock(key)()
	fi, err := d.sys.lstat(d.root, key)
	if missing(err) {
		d.prune(path.Dir(key)) // a crash may have come between the two steps below
		return nil
	}
	if err != nil || !fi.Mode().IsRegular() {
		return err
	}
	dir := path.Dir(key)
	err = d.dirs.change(dir, func() error { return d.sys.remove(d.root, key) })
	if missing(err) {
		err = nil
	}
	if err == nil {
		d.prune(dir)
	}
	return err
}
