package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"time"
)

// probe proves that the file system has what the driver relies on: times to the nanosecond, which tell two versions of an object apart, and hard
// links that do not replace a file, which decide who creates one.
func (d *Driver) probe() error {
	const a, b = tmpDir + "/probe-a", tmpDir + "/probe-b"
	for _, name := range []string{a, b} {
		if err := d.withFile(name, os.O_CREATE|os.O_WRONLY, func(*os.File) error { return nil }); err != nil {
			return d.unusable(err)
		}
	}
	defer func() {
		_ = d.sys.remove(d.root, a)
		_ = d.sys.remove(d.root, b)
	}()
	set := d.clock.now().Truncate(time.Second).Add(123456789)
	if err := d.sys.chtimes(d.root, a, set); err != nil {
		return d.unusable(err)
	}
	info, err := d.sys.lstat(d.root, a)
	if err != nil {
		return d.unusable(err)
	}
	if got := info.ModTime(); !got.Equal(set) {
		return fmt.Errorf("%s does not keep file times to the nanosecond (set %s, read %s), which tell versions of an object apart: choose another file system, such as ext4, XFS, Btrfs, ZFS or APFS",
			d.root.Name(), set.UTC().Format(time.RFC3339Nano), got.UTC().Format(time.RFC3339Nano))
	}
	if err := d.sys.link(d.root, a, b); !errors.Is(err, iofs.ErrExist) {
		return d.noLinks(err)
	}
	if err := d.sys.remove(d.root, b); err != nil {
		return d.unusable(err)
	}
	if err := d.sys.link(d.root, a, b); err != nil {
		return d.noLinks(err)
	}
	return nil
}

func (d *Driver) noLinks(cause error) error {
	if cause == nil {
		cause = errors.New("a link replaced a file")
	}
	return fmt.Errorf("%s does not keep hard links as it should (%w), which decide who creates an object: choose another file system, such as ext4, XFS, Btrfs, ZFS or APFS",
		d.root.Name(), cause)
}
