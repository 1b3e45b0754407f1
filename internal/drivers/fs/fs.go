// Package fs is the driver contract on a directory: one process, one machine, no other parts.
//
// # Layout
//
// The object at key `a/b/c` is the file `<root>/a/b/c` and nothing else, so a directory written by CNCF Distribution opens in place. What is
// the driver's own lives where no key can point, because no key starts with a dot:
//
//	<root>/.registryd/lock               held (flock) while a process has the directory open for writing; holds its number
//	<root>/.registryd/tmp/<n>            the body of a Put under way; emptied by Open
//	<root>/.registryd/staging/<sha256>   the bytes of an upload, named by the hash of its Session.Key
//
// # Commit points
//
// A Put writes and syncs a file in tmp, then renames it into place; with IfAbsent it makes a hard link instead, which fails if anything is
// there. A Commit renames its staging file, a Delete unlinks. Then every directory that changed is synced, the parents that were made for the
// key included, and only then is the call acknowledged. A condition that turns out not to hold because of somebody else's change is answered
// once that change is durable: whoever builds on it builds on ground. Directories whose sync failed are synced again before anything under
// them is reported. Conditions are judged under a lock of the key, so a Put with IfMatch is a true compare-and-swap.
//
// After a crash there are at most: files in tmp (removed by Open), staging files with a tail that no Session names (the next Append goes on in a
// copy), and empty directories (List does not see them, the next Delete there removes them). Nothing needs to be repaired.
//
// # ETags
//
// An ETag is size, modification time and inode, so neither Stat nor List reads content. It changes with every Put, since no two files are given
// the same time: each gets the clock's, or a nanosecond more than the last one given or than the object it replaces. Open proves that the file
// system keeps nanoseconds (and hard links), and refuses one that does not.
//
// # Uploads
//
// The Sessions that share a Key are prefixes of one staging file: it only ever grows, by one Append at a time, and only from its exact end. An
// Append from anywhere else (another request was faster, or a crash left a torn tail) copies the prefix to a file under its fresh key and
// goes on there. So the size of what was committed under a key says which Session it was, and Commit can be repeated without a record of it.
// Commit and Abort do not wait for an Append that writes to the same file: they put it off the file, and it ends with ErrNotFound. Staging files that
// nobody has touched for 48 hours are removed.
//
// # Rejected
//
// Hashing content for ETags: Stat and List would read everything. Extended attributes: lost by tar, rsync and NFS. RENAME_NOREPLACE: Linux only.
// Sidecar files with metadata: two files cannot be replaced at once. Waiting for a slow Append in Commit: a client that stalls would hold up another.
package fs

import (
	"context"
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/registryd/registryd/internal/drivers"
)

// The driver's own files, relative to its root.
const (
	ownDir     = ".registryd"
	lockFile   = ownDir + "/lock"
	tmpDir     = ownDir + "/tmp"
	stagingDir = ownDir + "/staging"
)

// Modes of what the driver makes: a group may read, to take backups.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// ErrReadOnly is the answer to every write of a driver that was opened read-only.
var ErrReadOnly = errors.New("the directory was opened read-only")

// Options of Open.
type Options struct {
	// ReadOnly opens the directory beside a process that writes to it: no lock is taken, nothing is changed, and writes give ErrReadOnly.
	ReadOnly bool
}

// Driver keeps objects in a directory. See the package comment.
type Driver struct {
	root     *os.Root
	sys      sys
	readOnly bool
	lock     *os.File // nil when read-only

	clock clock
	dirs  *dirs
	tmpN  atomic.Int64

	// tree is held shared while a file is put in place together with the directories it needs, and alone while empty ones are removed, so that no
	// directory goes between its making and its use.
	tree sync.RWMutex

	seed maphash.Seed
	keys [256]sync.Mutex // by hash of the key: held while a condition is judged and acted upon

	lines lines
	swept atomic.Int64 // when sweep last ran, in seconds since 1970
}

var _ drivers.Driver = (*Driver)(nil)

// Open opens the directory root, which is made if it does not exist. It fails with one plain sentence if another process has it open for
// writing (or this one already has), or if its file system lacks what the driver relies on.
func Open(root string, opts Options) (*Driver, error) {
	return open(root, opts, systemCalls())
}

func open(root string, opts Options, sys sys) (_ *Driver, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if !opts.ReadOnly {
		if err := os.MkdirAll(root, dirMode); err != nil {
			return nil, unusable(root, opts.ReadOnly, err)
		}
	}
	d := &Driver{sys: sys, readOnly: opts.ReadOnly, seed: maphash.MakeSeed(), clock: clock{now: sys.now}}
	if d.root, err = os.OpenRoot(root); err != nil {
		return nil, unusable(root, opts.ReadOnly, err)
	}
	d.dirs = newDirs(func(dir string) error { return d.syncDir(dir) })
	d.lines.init()
	if opts.ReadOnly {
		return d, nil
	}
	defer func() {
		if err != nil {
			_ = d.Close()
		}
	}()
	if err := d.root.MkdirAll(ownDir, dirMode); err != nil {
		return nil, d.unusable(err)
	}
	if d.lock, err = takeLock(d.root); err != nil {
		return nil, err
	}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	return d, nil
}

// prepare brings a directory that this process now owns into the state that all else relies on.
func (d *Driver) prepare() error {
	if err := d.root.RemoveAll(tmpDir); err != nil {
		return d.unusable(err)
	}
	for _, dir := range []string{tmpDir, stagingDir} {
		if err := d.root.MkdirAll(dir, dirMode); err != nil {
			return d.unusable(err)
		}
	}
	if err := d.probe(); err != nil {
		return err
	}
	if err := d.sweep(); err != nil {
		return d.unusable(err)
	}
	// What a process that died had written but not yet synced is visible now. It is made durable before anything is built on it.
	if err := d.withFile(".", os.O_RDONLY, d.sys.syncAll); err != nil {
		return d.unusable(err)
	}
	return nil
}

// Ping looks whether the directory that was opened is still the one of that name, and whether writes have their place in it. A directory that
// somebody removed goes on answering to whoever has it open.
func (d *Driver) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	held, err := d.sys.lstat(d.root, ".")
	if err != nil {
		return unsure("ping", "", err)
	}
	named, err := os.Stat(d.root.Name())
	if err == nil && !os.SameFile(held, named) {
		err = errors.New("another directory stands there now: restart registryd")
	}
	if err == nil && !d.readOnly {
		_, err = d.sys.lstat(d.root, tmpDir)
	}
	if err == nil && !d.readOnly {
		_, err = d.sys.lstat(d.root, stagingDir)
	}
	return unsure("ping", d.root.Name(), err)
}

// Close gives the directory free for another process.
func (d *Driver) Close() error {
	err := d.root.Close()
	if d.lock != nil {
		err = errors.Join(err, giveLock(d.lock))
	}
	return err
}

// keyLock locks key against other writers of it, and gives what unlocks it.
func (d *Driver) keyLock(key string) (unlock func()) {
	mu := &d.keys[maphash.String(d.seed, key)%uint64(len(d.keys))]
	mu.Lock()
	return mu.Unlock
}

// mayWrite checks what every writing method checks first.
func (d *Driver) mayWrite(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := drivers.CheckKey(key); err != nil {
			return err
		}
	}
	if d.readOnly {
		return ErrReadOnly
	}
	return ctx.Err()
}

// withFile calls fn with the file at name, and closes it.
func (d *Driver) withFile(name string, flag int, fn func(*os.File) error) error {
	f, err := d.sys.open(d.root, name, flag)
	if err != nil {
		return err
	}
	err = fn(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
