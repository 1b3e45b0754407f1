package fs

import (
	"errors"
	iofs "io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// dirs knows which directories hold changes that may not be durable yet. Whoever is about to report something settles the directories it
// depends on first, whoever it was that changed them: so nobody builds on what a power cut could take back, and writers
// to one directory share a sync.
type dirs struct {
	sync func(dir string) error

	mu      sync.Mutex
	marks   uint64 // how many there were
	pending map[string]pending
	doubts  atomic.Int64 // how many of pending are in doubt
}

type pending struct {
	mark  uint64 // the number of the last one, to see whether another came while a sync was under way
	doubt bool   // a change or sync failed: what is visible there may not be what is on disk
}

func newDirs(sync func(string) error) *dirs {
	return &dirs{sync: sync, pending: make(map[string]pending)}
}

// change runs fn, which changes entries of dir. The directory is marked before, for those who see the effect before fn returns, and after, in case
// a sync that did not cover the effect took the first mark away.
func (d *dirs) change(dir string, fn func() error) error {
	first, alone := d.mark(dir, false)
	err := fn()
	if !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, iofs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		d.mark(dir, err != nil)
	} else if alone {
		d.unmark(dir, first) // nothing happened
	}
	return err
}

// mark gives the mark's number, and whether it is the only one.
func (d *dirs) mark(dir string, doubt bool) (n uint64, alone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.pending[dir]
	if doubt && !p.doubt {
		d.doubts.Add(1)
		p.doubt = true
	}
	d.marks++
	p.mark = d.marks
	d.pending[dir] = p
	return p.mark, !ok
}

// unmark takes the marks of dir back, if the last one is n.
func (d *dirs) unmark(dir string, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pending[dir]
	if p.mark != n {
		return
	}
	if p.doubt {
		d.doubts.Add(-1)
	}
	delete(d.pending, dir)
}

// settle makes the entries of dir and of all directories above it durable.
func (d *dirs) settle(dir string) error {
	for ; ; dir = path.Dir(dir) {
		if err := d.settleOne(dir); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

func (d *dirs) settleOne(dir string) error {
	d.mu.Lock()
	seen, ok := d.pending[dir]
	d.mu.Unlock()
	if !ok {
		return nil
	}
	// A directory that is gone has no entries to keep; that it is gone is its parent's change.
	if err := d.sync(dir); err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		d.mark(dir, true)
		return err
	}
	d.unmark(dir, seen.mark)
	return nil
}

// settleDoubts is settle for readers: they need not wait for a writer whose sync is under way, but after a failure they must not report
// what may never have reached the disk.
func (d *dirs) settleDoubts(dir string) error {
	if d.doubts.Load() == 0 {
		return nil
	}
	return d.settle(dir)
}

// settleAllDoubts is settleDoubts for a reader of many directories.
func (d *dirs) settleAllDoubts() error {
	if d.doubts.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	all := slices.Collect(maps.Keys(d.pending))
	d.mu.Unlock()
	for _, dir := range all {
		if err := d.settleOne(dir); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) syncDir(dir string) error {
	return d.withFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, d.sys.sync)
}

// place runs move, which puts a file at key, and makes the directories it needs. Afterwards the directory of key has to be settled.
func (d *Driver) place(key string, move func() error) error {
	d.tree.RLock()
	defer d.tree.RUnlock()
	dir := path.Dir(key)
	return d.dirs.change(dir, func() error {
		err := move()
		if !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		if err := d.mkdirs(dir); err != nil {
			return err
		}
		return move()
	})
}

func (d *Driver) mkdirs(dir string) error {
	if dir == "." {
		return nil
	}
	mkdir := func() error {
		return d.dirs.change(path.Dir(dir), func() error { return d.sys.mkdir(d.root, dir) })
	}
	err := mkdir()
	if errors.Is(err, iofs.ErrNotExist) {
		if err = d.mkdirs(path.Dir(dir)); err == nil {
			err = mkdir()
		}
	}
	if errors.Is(err, iofs.ErrExist) {
		return nil
	}
	return err
}

// prune removes dir and those above it as far as they are empty. That an empty one stays is no harm, so there is no error.
func (d *Driver) prune(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if !d.pruneOne(dir) {
			return
		}
	}
}

func (d *Driver) pruneOne(dir string) (gone bool) {
	d.tree.Lock()
	defer d.tree.Unlock()
	// It may have been removed, and an object been put in its place, since the caller looked.
	info, err := d.sys.lstat(d.root, dir)
	if err != nil {
		return errors.Is(err, iofs.ErrNotExist)
	}
	if !info.IsDir() {
		return false
	}
	return d.dirs.change(path.Dir(dir), func() error { return d.sys.remove(d.root, dir) }) == nil
}
