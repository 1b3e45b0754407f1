package drivertest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// mutantName, when set, makes TestMutant run the suite against the mutant it names.
const mutantName = "REGISTRYD_DRIVERTEST_MUTANT"

// mutants are drivers with a mistake each, and the test that finds it.
var mutants = map[string]struct {
	mutate func(drivers.Driver) drivers.Driver
	caught string
}{
	"looks before it creates": {func(d drivers.Driver) drivers.Driver {
		return &racy{Driver: d, looked: map[string]*sync.WaitGroup{}}
	}, "conditions/of_16_that_create_at_once_one_wins"},
	"repeats a conditional write":     {func(d drivers.Driver) drivers.Driver { return repeating{d} }, "faults/put_of_a_new_key"},
	"lists folder by folder":          {func(d drivers.Driver) drivers.Driver { return walking{d} }, "list/byte_order"},
	"takes a broken body for its end": {func(d drivers.Driver) drivers.Driver { return credulous{d} }, "uploads/a_source_that_fails_keeps_what_was_read"},
	"goes on at the end, not at the session": {func(d drivers.Driver) drivers.Driver {
		return &forgetful{Driver: d, newest: map[string]drivers.Session{}}
	}, "forks/two_go_on_from_one_session,_one_after_the_other"},
	"commits once":                 {func(d drivers.Driver) drivers.Driver { return &once{Driver: d} }, "uploads/sizes_and_steps"},
	"gives its own errors":         {func(d drivers.Driver) drivers.Driver { return curt{d} }, "faults/put"},
	"tells of more than it stored": {func(d drivers.Driver) drivers.Driver { return boastful{d} }, "uploads/a_source_that_watches_is_told_of_good_sessions"},
	"deletes any key":              {func(d drivers.Driver) drivers.Driver { return sloppy{d} }, "keys/invalid_keys"},
}

func TestMutant(t *testing.T) {
	m, ok := mutants[os.Getenv(mutantName)]
	if !ok {
		return // only as a process of its own, below
	}
	Run(t, func(t *testing.T) *Harness {
		h := openFake(t)
		h.Driver = m.mutate(h.Driver)
		h.Reopen = func(*testing.T) drivers.Driver { return h.Driver }
		return h
	})
}

func TestMutantsAreCaught(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$/^"+strings.ReplaceAll(m.caught, "/", "$/^"))
			cmd.Env = append(os.Environ(), mutantName+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestMutant/"+m.caught) {
				t.Errorf("the suite does not catch a driver that %s: %v\n%s", name, err, out)
			}
		})
	}
}

// racy judges the condition before it writes, not while. So that it shows, the 16 that create a key wait until each has looked.
type racy struct {
	drivers.Driver
	mu     sync.Mutex
	looked map[string]*sync.WaitGroup
}

func (d *racy) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if cond.IfAbsent {
		if _, err := d.Stat(ctx, key); err == nil {
			return drivers.Info{}, drivers.ErrPrecondition
		}
		all := d.racers(key)
		all.Done()
		all.Wait()
		cond = drivers.Cond{}
	}
	return d.Driver.Put(ctx, key, body, cond)
}

func (d *racy) racers(key string) *sync.WaitGroup {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.looked[key] == nil {
		d.looked[key] = &sync.WaitGroup{}
		d.looked[key].Add(16)
	}
	return d.looked[key]
}

// repeating tries again by itself, and meets its own first attempt.
type repeating struct{ drivers.Driver }

func (d repeating) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	info, err := d.Driver.Put(ctx, key, body, cond)
	if errors.Is(err, drivers.ErrUnavailable) {
		_, _ = body.Seek(0, io.SeekStart)
		return d.Driver.Put(ctx, key, body, cond)
	}
	return info, err
}

// walking gives its pages in the order of the keys' parts.
type walking struct{ drivers.Driver }

func (d walking) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	page, err := d.Driver.List(ctx, drivers.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter, Limit: 1000})
	slices.SortFunc(page.Objects, func(a, b drivers.Info) int {
		return slices.Compare(strings.Split(a.Key, "/"), strings.Split(b.Key, "/"))
	})
	after := slices.IndexFunc(page.Objects, func(o drivers.Info) bool { return o.Key == opts.After })
	page.Objects = page.Objects[after+1:]
	if limit := cmp.Or(opts.Limit, 1000); len(page.Objects) > limit {
		page.Objects = page.Objects[:limit]
		page.Next = page.Objects[limit-1].Key
	}
	return page, err
}

// credulous takes io.ErrUnexpectedEOF for the end, as io.ReadFull invites to.
type credulous struct{ drivers.Driver }

func (d credulous) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	s, err := d.Driver.Append(ctx, s, fresh, src, saved)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return s, err
}

// forgetful goes on behind whatever was appended last.
type forgetful struct {
	drivers.Driver
	mu     sync.Mutex
	newest map[string]drivers.Session
}

func (d *forgetful) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := s
	if newest, ok := d.newest[s.Key]; ok {
		from = newest
	}
	got, err := d.Driver.Append(ctx, from, fresh, src, saved)
	d.newest[got.Key] = got
	return got, err
}

// once can commit a session a single time.
type once struct {
	drivers.Driver
	done sync.Map
}

func (d *once) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	if _, done := d.done.LoadOrStore(s.Key, true); done {
		return drivers.Info{}, drivers.ErrNotFound
	}
	return d.Driver.Commit(ctx, s)
}

// curt gives errors that the contract does not know.
type curt struct{ drivers.Driver }

func (d curt) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	info, err := d.Driver.Put(ctx, key, body, cond)
	if errors.Is(err, drivers.ErrUnavailable) {
		err = errors.New("internal error")
	}
	return info, err
}

// boastful tells of a session as soon as the next part is read.
type boastful struct{ drivers.Driver }

func (d boastful) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	if w, ok := src.(drivers.Watcher); ok {
		src = boasting{src, w}
	}
	return d.Driver.Append(ctx, s, fresh, src, saved)
}

type boasting struct {
	drivers.Source
	watcher drivers.Watcher
}

func (b boasting) Reached(s drivers.Session) {
	s.Offset++
	s.Mark, _ = b.Mark()
	b.watcher.Reached(s)
}

// sloppy does not look at the keys it is to delete.
type sloppy struct{ drivers.Driver }

func (d sloppy) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		_ = d.Driver.Delete(ctx, key)
	}
	return nil
}
