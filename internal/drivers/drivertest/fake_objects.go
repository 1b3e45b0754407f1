package drivertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// chunks are content in pieces that are never changed, so that copies can share them.
type chunks [][]byte

func (c chunks) size() (n int64) {
	for _, b := range c {
		n += int64(len(b))
	}
	return n
}

// cut gives n bytes from off.
func (c chunks) cut(off, n int64) (part chunks) {
	for _, b := range c {
		skip := min(off, int64(len(b)))
		off -= skip
		take := min(n, int64(len(b))-skip)
		n -= take
		if take > 0 {
			part = append(part, b[skip:skip+take:skip+take])
		}
	}
	return part
}

func newObject(key string, data chunks) object {
	h := sha256.New()
	for _, b := range data {
		h.Write(b)
	}
	return object{data: data, info: drivers.Info{Key: key, Size: data.size(), ETag: fmt.Sprintf(`"%x"`, h.Sum(nil)[:16]), ModTime: time.Now()}}
}

// Stat gives the Info of the object.
func (f *Fake) Stat(ctx context.Context, key string) (drivers.Info, error) {
	defer f.call(OpStat)()
	o, err := f.find(ctx, key)
	return o.info, err
}

// Open gives a reader that has to be closed.
func (f *Fake) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	defer f.call(OpOpen)()
	o, err := f.find(ctx, key)
	if err != nil {
		return nil, drivers.Info{}, err
	}
	if off < 0 {
		return nil, drivers.Info{}, fmt.Errorf("open %s at the offset %d", key, off)
	}
	if n < 0 {
		n = o.info.Size
	}
	r := &fakeReader{f: f, key: key, left: o.data.cut(off, n)}
	f.readers[r] = true
	return r, o.info, nil
}

func (f *Fake) find(ctx context.Context, key string) (object, error) {
	if err := f.mayRead(ctx, key); err != nil {
		return object{}, err
	}
	if err := f.step(func() {}); err != nil {
		return object{}, err
	}
	o, ok := f.objects[key]
	if !ok {
		return object{}, fmt.Errorf("%s: %w", key, drivers.ErrNotFound)
	}
	return o, nil
}

func (f *Fake) mayRead(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := drivers.CheckKey(key); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Put copies body.
func (f *Fake) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if err := f.mayRead(ctx, key); err != nil {
		return drivers.Info{}, err
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return drivers.Info{}, fmt.Errorf("put %s: reading the body: %w", key, err)
	}
	o := newObject(key, chunks{b})

	defer f.call(OpPut)()
	old, exists := f.objects[key]
	switch {
	case cond.IfAbsent && cond.IfMatch != "":
		return drivers.Info{}, fmt.Errorf("put %s with both conditions", key)
	case cond.IfMatch != "" && !f.etags[cond.IfMatch]:
		return drivers.Info{}, f.misuse("put %s if it matches %s, which is no ETag that was ever given", key, cond.IfMatch)
	case cond.IfAbsent && exists, cond.IfMatch != "" && (!exists || old.info.ETag != cond.IfMatch):
		if err := f.step(func() {}); err != nil {
			return drivers.Info{}, err
		}
		return drivers.Info{}, fmt.Errorf("put %s: %w", key, drivers.ErrPrecondition)
	case cond == drivers.Cond{} && exists && old.info.ETag != o.info.ETag && !f.overwrite:
		return drivers.Info{}, f.misuse("put %s replaces other content without a condition", key)
	}
	if err := f.mayStore(key); err != nil {
		return drivers.Info{}, err
	}
	return o.info, f.step(func() { f.store(key, o) })
}

// Delete removes one object after the other.
func (f *Fake) Delete(ctx context.Context, keys ...string) error {
	defer f.call(OpDelete)()
	if err := f.mayRead(ctx, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := f.step(func() { f.remove(key) }); err != nil {
			return err
		}
	}
	return nil
}

// List gives small pages.
func (f *Fake) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	defer f.call(OpList)()
	if err := ctx.Err(); err != nil {
		return drivers.Page{}, err
	}
	if opts.Delimiter != "" && opts.Delimiter != "/" {
		return drivers.Page{}, f.misuse("list with the delimiter %q", opts.Delimiter)
	}
	if err := f.step(func() {}); err != nil {
		return drivers.Page{}, err
	}
	limit := f.DefaultPage
	if opts.Limit > 0 {
		limit = opts.Limit
	}
	limit = min(limit, f.MaxPage)
	var page drivers.Page
	items := model(slices.Sorted(maps.Keys(f.objects)), opts)
	if len(items) > limit {
		items = items[:limit]
		page.Next = items[limit-1]
	}
	for _, item := range items {
		if strings.HasSuffix(item, "/") {
			page.Groups = append(page.Groups, item)
		} else {
			page.Objects = append(page.Objects, f.objects[item].info)
		}
	}
	return page, nil
}

// fakeReader reads an object, and knows whether it was closed.
type fakeReader struct {
	f    *Fake
	key  string
	left chunks // under f.mu
}

func (r *fakeReader) Read(p []byte) (n int, err error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if !r.f.readers[r] {
		return 0, r.f.misuse("a reader of %s is used after it was closed: %w", r.key, os.ErrClosed)
	}
	for n < len(p) && len(r.left) > 0 {
		m := copy(p[n:], r.left[0])
		n += m
		if r.left[0] = r.left[0][m:]; len(r.left[0]) == 0 {
			r.left = r.left[1:]
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *fakeReader) Close() error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	delete(r.f.readers, r)
	return nil
}
