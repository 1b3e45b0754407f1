package fs

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/registryd/registryd/internal/drivers"
)

// maxPage is the size of a page when none is asked for, and the largest there is. It is that of S3, so that callers meet the same everywhere.
const maxPage = 1000

// List walks only the directories that can hold what is asked for, each in the order of its entries' keys.
func (d *Driver) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	if opts.Delimiter != "" && opts.Delimiter != "/" {
		return drivers.Page{}, fmt.Errorf("list %s: the delimiter %q is not supported", opts.Prefix, opts.Delimiter)
	}
	w := &walk{d: d, ctx: ctx, opts: opts, limit: maxPage}
	if opts.Limit > 0 {
		w.limit = min(opts.Limit, maxPage)
	}
	dir := "."
	if i := strings.LastIndexByte(opts.Prefix, '/'); i >= 0 {
		if dir = opts.Prefix[:i]; drivers.CheckKey(dir) != nil {
			return drivers.Page{}, ctx.Err() // no key can start like that
		}
	}
	if _, err := w.directory(dir); err != nil {
		return drivers.Page{}, wrap("list", opts.Prefix, err)
	}
	if err := d.dirs.settleAllDoubts(); err != nil {
		return drivers.Page{}, wrap("list", opts.Prefix, err)
	}
	return w.page, nil
}

// walk is one List under way.
type walk struct {
	d     *Driver
	ctx   context.Context
	opts  drivers.ListOptions
	limit int
	page  drivers.Page
	last  string // the last item of page
}

// entry is a name in a directory. Its key is that of the object, or for a directory what the keys in it start with.
type entry struct {
	name, key string
	dir       bool
}

// directory walks dir and says whether the page is complete.
func (w *walk) directory(dir string) (done bool, err error) {
	if err := w.ctx.Err(); err != nil {
		return true, err
	}
	fi, err := w.d.sys.lstat(w.d.root, dir)
	if missing(err) || err == nil && !fi.IsDir() {
		return false, nil // it may have been removed since its parent was read
	}
	if err != nil {
		return true, err
	}
	here, err := w.d.root.OpenRoot(dir)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	defer here.Close()
	entries, err := w.read(here, dir)
	if err != nil {
		return true, err
	}
	for _, e := range entries {
		switch {
		case e.dir && w.opts.Delimiter != "":
			done, err = w.group(e)
		case e.dir:
			done, err = w.directory(strings.TrimSuffix(e.key, "/"))
		default:
			done, err = w.object(here, e)
		}
		if done || err != nil {
			return true, err
		}
	}
	return false, nil
}

// read gives the entries of dir that may be or hold what is asked for, in byte order of the keys.
func (w *walk) read(here *os.Root, dir string) ([]entry, error) {
	f, err := w.d.sys.open(here, ".", os.O_RDONLY|syscall.O_DIRECTORY)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil && !missing(err) {
		return nil, err
	}
	parent := ""
	if dir != "." {
		parent = dir + "/"
	}
	entries := make([]entry, 0, len(found))
	for _, de := range found {
		e := entry{name: de.Name(), key: parent + de.Name(), dir: de.IsDir()}
		if !e.dir && !de.Type().IsRegular() || drivers.CheckKey(e.key) != nil {
			continue
		}
		if e.dir {
			e.key += "/"
		}
		if w.wants(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return entries, nil
}

// wants says whether e is, or may hold, a key that starts with Prefix and is behind After.
func (w *walk) wants(e entry) bool {
	if !strings.HasPrefix(e.key, w.opts.Prefix) && !(e.dir && strings.HasPrefix(w.opts.Prefix, e.key)) {
		return false
	}
	if e.key > w.opts.After {
		return true
	}
	return e.dir && w.opts.Delimiter == "" && strings.HasPrefix(w.opts.After, e.key)
}

func (w *walk) object(here *os.Root, e entry) (done bool, err error) {
	fi, err := w.d.sys.lstat(here, e.name)
	if missing(err) || err == nil && !fi.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if w.full() {
		return true, nil
	}
	w.page.Objects = append(w.page.Objects, infoOf(e.key, fi))
	w.last = e.key
	return false, nil
}

// group adds the directory e if there is an object anywhere in it.
func (w *walk) group(e entry) (done bool, err error) {
	look := &walk{d: w.d, ctx: w.ctx, limit: 1}
	if _, err := look.directory(strings.TrimSuffix(e.key, "/")); err != nil || len(look.page.Objects) == 0 {
		return err != nil, err
	}
	if w.full() {
		return true, nil
	}
	w.page.Groups = append(w.page.Groups, e.key)
	w.last = e.key
	return false, nil
}

// full says whether what was just found belongs to the next page, and if so makes this page say so.
func (w *walk) full() bool {
	if len(w.page.Objects)+len(w.page.Groups) < w.limit {
		return false
	}
	w.page.Next = w.last
	return true
}
