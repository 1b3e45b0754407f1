package drivertest

import (
	"context"
	"fmt"

	"github.com/registryd/registryd/internal/drivers"
)

// Commit moves the bytes of s to their key.
func (f *Fake) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	defer f.call(OpCommit)()
	if s.Key == "" {
		return drivers.Info{}, fmt.Errorf("commit of nothing: %w", drivers.ErrNotFound)
	}
	if err := f.mayRead(ctx, s.Key); err != nil {
		return drivers.Info{}, err
	}
	if o, ok := f.objects[s.Key]; ok {
		if err := f.step(func() {}); err != nil {
			return drivers.Info{}, err
		}
		if o.info.Size != s.Offset {
			return drivers.Info{}, fmt.Errorf("commit %s: %w", s.Key, drivers.ErrPrecondition)
		}
		return o.info, nil
	}
	ln, err := f.lineOf(s)
	if err != nil {
		return drivers.Info{}, err
	}
	if err := f.mayStore(s.Key); err != nil {
		return drivers.Info{}, err
	}
	o := newObject(s.Key, ln.data.cut(0, s.Offset))
	return o.info, f.step(func() {
		ln.owner = nil
		delete(f.lines, s.Key)
		f.store(s.Key, o)
	})
}

// Abort forgets the bytes of s.
func (f *Fake) Abort(ctx context.Context, s drivers.Session) error {
	defer f.call(OpAbort)()
	if s.Key == "" {
		return ctx.Err()
	}
	if err := f.mayRead(ctx, s.Key); err != nil {
		return err
	}
	return f.step(func() {
		if ln := f.lines[s.Key]; ln != nil {
			ln.owner = nil
			delete(f.lines, s.Key)
		}
	})
}
