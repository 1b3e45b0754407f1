package drivertest

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/registryd/registryd/internal/drivers"
)

// Faulty is a driver whose calls fail, wait or are lost as a test wishes, on top of one that works. It keeps a record of them. What fails
// wraps ErrUnavailable.
//
//	d := drivertest.NewFaulty(fake, drivertest.Once(drivertest.On(drivertest.OpPut, "/_tags/", drivertest.Unanswered)))
type Faulty struct {
	inner drivers.Driver

	mu      sync.Mutex
	plan    Plan
	calls   []Call
	crashAt int // number of the call, 0 for none
	crash   Outcome
	dead    bool
	last    Call // the one that the crash hit
	blocked chan Call
	release chan struct{}
}

var _ drivers.Driver = (*Faulty)(nil)

// NewFaulty puts a Faulty before d. A nil plan lets everything pass.
func NewFaulty(d drivers.Driver, plan Plan) *Faulty {
	return &Faulty{inner: d, plan: plan, blocked: make(chan Call, 1024), release: make(chan struct{})}
}

// SetPlan replaces the plan.
func (f *Faulty) SetPlan(plan Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = plan
}

// CrashAt makes the n-th call from now on the last: it is not applied or not answered, and every call after it fails and does nothing.
func (f *Faulty) CrashAt(n int, o Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt, f.crash = len(f.calls)+n, o
}

// Crashed says whether the call that CrashAt names was made, and which it was.
func (f *Faulty) Crashed() (Call, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.last.N > 0
}

// Calls gives all calls so far in the order in which they began.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Counts gives how often each method was called.
func (f *Faulty) Counts() Counts {
	c := make(Counts)
	for _, call := range f.Calls() {
		c[call.Op]++
	}
	return c
}

// Blocked gives each call that begins to wait.
func (f *Faulty) Blocked() <-chan Call { return f.blocked }

// Release lets all calls that wait go on. Those that the plan blocks later wait for another Release.
func (f *Faulty) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.release)
	f.release = make(chan struct{})
}

// begin records a call and decides about it.
func (f *Faulty) begin(op Op, key string) (c Call, release chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c = Call{N: len(f.calls) + 1, Op: op, Key: key}
	switch {
	case f.dead:
		c.Outcome = NotApplied
	case c.N == f.crashAt:
		c.Outcome = f.crash
		f.last = c
	case f.plan != nil:
		c.Outcome = f.plan(c)
	}
	f.calls = append(f.calls, c)
	if c.Outcome == NotApplied || c.Outcome == Unanswered && !op.Writes() {
		f.dead = f.dead || c.N == f.crashAt
		return c, nil, &lost{c}
	}
	return c, f.release, nil
}

// lost is the error of a call that was not applied or not answered.
type lost struct{ call Call }

func (l *lost) Error() string        { return "injected: " + l.call.String() }
func (l *lost) Is(target error) bool { return target == drivers.ErrUnavailable }

// do makes a call, or not.
func (f *Faulty) do(ctx context.Context, op Op, key string, call func() error) error {
	c, release, err := f.begin(op, key)
	if err != nil {
		return err
	}
	if c.Outcome == Block {
		f.blocked <- c
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = call()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = f.dead || c.N == f.crashAt
	if f.dead || c.Outcome == Unanswered {
		return &lost{c}
	}
	return err
}

// Stat is one call.
func (f *Faulty) Stat(ctx context.Context, key string) (info drivers.Info, err error) {
	err = f.do(ctx, OpStat, key, func() (err error) { info, err = f.inner.Stat(ctx, key); return err })
	return kept(info, err)
}

// Open is one call; what is read afterwards is none.
func (f *Faulty) Open(ctx context.Context, key string, off, n int64) (r io.ReadCloser, info drivers.Info, err error) {
	err = f.do(ctx, OpOpen, key, func() (err error) { r, info, err = f.inner.Open(ctx, key, off, n); return err })
	if err != nil && r != nil {
		_ = r.Close()
		r = nil
	}
	info, err = kept(info, err)
	return r, info, err
}

// Put is one call.
func (f *Faulty) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (info drivers.Info, err error) {
	err = f.do(ctx, OpPut, key, func() (err error) { info, err = f.inner.Put(ctx, key, body, cond); return err })
	return kept(info, err)
}

// Delete is one call, whatever the number of keys.
func (f *Faulty) Delete(ctx context.Context, keys ...string) error {
	first := ""
	if len(keys) > 0 {
		first = keys[0]
	}
	return f.do(ctx, OpDelete, first, func() error { return f.inner.Delete(ctx, keys...) })
}

// List is one call.
func (f *Faulty) List(ctx context.Context, opts drivers.ListOptions) (page drivers.Page, err error) {
	err = f.do(ctx, OpList, opts.Prefix, func() (err error) { page, err = f.inner.List(ctx, opts); return err })
	return kept(page, err)
}

// Append is one call, and those that saved makes come in the middle of it. One that is not applied reads nothing.
func (f *Faulty) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	key, got := s.Key, s
	if key == "" {
		key = fresh
	}
	err := f.do(ctx, OpAppend, key, func() (err error) {
		got, err = f.inner.Append(ctx, s, fresh, src, saved)
		return err
	})
	if _, ok := err.(*lost); ok {
		return s, err
	}
	return got, err
}

// Commit is one call.
func (f *Faulty) Commit(ctx context.Context, s drivers.Session) (info drivers.Info, err error) {
	err = f.do(ctx, OpCommit, s.Key, func() (err error) { info, err = f.inner.Commit(ctx, s); return err })
	return kept(info, err)
}

// Abort is one call.
func (f *Faulty) Abort(ctx context.Context, s drivers.Session) error {
	return f.do(ctx, OpAbort, s.Key, func() error { return f.inner.Abort(ctx, s) })
}

// Ping is one call.
func (f *Faulty) Ping(ctx context.Context) error {
	return f.do(ctx, OpPing, "", func() error { return f.inner.Ping(ctx) })
}

// Close closes the driver behind it, and is no call.
func (f *Faulty) Close() error { return f.inner.Close() }

// kept keeps the answer from those who are told that there was none.
func kept[T any](v T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}
