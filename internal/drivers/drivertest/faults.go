package drivertest

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/registryd/registryd/internal/drivers"
)

// These tests let each step of each call fail, in both ways, and do what a caller does then: ask, or do it again.
var faultTests = []test{
	{"reads", func(k *kit) {
		info := k.put("a/b", "body")
		k.eachFault(func(f *trial) {
			var got drivers.Info
			if f.during(func() (err error) { got, err = k.d.Stat(k.Context(), "a/b"); return err }) == nil {
				k.same("stat", got, info)
			}
		})
		k.eachFault(func(f *trial) {
			var r io.ReadCloser
			if f.during(func() (err error) { r, _, err = k.d.Open(k.Context(), "a/b", 1, -1); return err }) == nil {
				b, err := io.ReadAll(r)
				k.must(errors.Join(err, r.Close()))
				if string(b) != "ody" {
					k.Fatalf("open gave %q", b)
				}
			}
		})
		for _, opts := range []drivers.ListOptions{{}, {Delimiter: "/"}} {
			k.eachFault(func(f *trial) {
				var page drivers.Page
				if f.during(func() (err error) { page, err = k.d.List(k.Context(), opts); return err }) == nil && len(page.Objects)+len(page.Groups) != 1 {
					k.Fatalf("list gave %+v", page)
				}
			})
		}
		k.eachFault(func(f *trial) { _ = f.during(func() error { return k.d.Ping(k.Context()) }) })
		k.want("a/b", "body")
	}},
	{"put", func(k *kit) {
		k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			k.put(key, "old")
			again := func() error { _, err := k.tryPut(key, "new", drivers.Cond{}); return err }
			if f.during(again) != nil {
				if body, _ := k.read(key); body != "old" && body != "new" {
					k.Fatalf("the object is %q", body)
				}
				f.restart()
				k.must(again())
			}
			k.want(key, "new")
		})
	}},
	{"put of a new key", func(k *kit) {
		f := k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			cond := drivers.Cond{IfAbsent: true}
			create := func() error { _, err := k.tryPut(key, "ours", cond); return err }
			if f.during(create) != nil {
				k.whole(key, "ours")
				f.restart()
				f.mineOrRetry(key, "ours", create())
			}
			k.want(key, "ours")
			if _, err := k.tryPut(key, "theirs", cond); !errors.Is(err, drivers.ErrPrecondition) {
				k.Fatalf("a second creation gave %v", err)
			}
		})
		f.wantBoth()
	}},
	{"compare and swap", func(k *kit) {
		f := k.eachFault(func(f *trial) {
			key := f.id + "/deep/key"
			cond := drivers.Cond{IfMatch: k.put(key, "old").ETag}
			swap := func() error { _, err := k.tryPut(key, "ours", cond); return err }
			if f.during(swap) != nil {
				if body, _ := k.read(key); body != "old" && body != "ours" {
					k.Fatalf("the object is %q", body)
				}
				f.restart()
				f.mineOrRetry(key, "ours", swap())
			}
			k.want(key, "ours")
		})
		f.wantBoth()
	}},
	{"delete", func(k *kit) {
		k.eachFault(func(f *trial) {
			keys := []string{f.id + "/a/1", f.id + "/a/2", f.id + "/b/1"}
			for _, key := range keys {
				k.put(key, "body")
			}
			again := func() error { return k.d.Delete(k.Context(), keys...) }
			if f.during(again) != nil {
				for _, key := range keys {
					k.whole(key, "body")
				}
				f.restart()
				k.must(again())
			}
			for _, key := range keys {
				k.wantAbsent(key)
			}
			if left := k.keys(drivers.ListOptions{Prefix: f.id + "/", Delimiter: "/"}); len(left) > 0 {
				k.Fatalf("left: %q", left)
			}
		})
	}},
	{"the start of an upload", func(k *kit) {
		k.eachFault(func(f *trial) {
			var s drivers.Session
			err := f.during(func() (err error) {
				s, err = k.d.Append(k.Context(), s, k.fresh(), &stream{id: 1, to: 600_000}, nil)
				return err
			})
			if err != nil {
				f.restart()
				s = k.append(drivers.Session{}, k.fresh(), 1, 600_000)
			}
			k.commit(s, content(1, 600_000))
			k.nothingBut(s.Key)
		})
	}},
	{"append", func(k *kit) {
		k.eachFault(func(f *trial) {
			start := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			s := start
			err := f.during(func() (err error) {
				s, err = k.d.Append(k.Context(), start, k.fresh(), &stream{id: 1, from: 1000, to: 600_000}, nil)
				return err
			})
			if err != nil {
				k.isAt(s, 1, 1000) // it says where to go on
				f.restart()
				other := k.appendAs(start, k.fresh(), 2, 700)
				s = k.append(start, k.fresh(), 1, 600_000)
				k.commitForks(branch{s, func() io.Reader { return content(1, 600_000) }}, branch{other, forked(1000, 2, 700)})
				k.must(k.d.Delete(k.Context(), other.Key))
			} else {
				k.commit(s, content(1, 600_000))
			}
			k.nothingBut(s.Key)
		})
	}},
	{"an append to an older session", func(k *kit) {
		k.eachFault(func(f *trial) {
			older := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			newer := k.append(older, k.fresh(), 1, 2000)
			add := func() (s drivers.Session, err error) {
				return k.d.Append(k.Context(), older, k.fresh(), &stream{id: 2, to: 300_000}, nil)
			}
			var s drivers.Session
			if f.during(func() (err error) { s, err = add(); return err }) != nil {
				f.restart()
				var err error
				s, err = add()
				k.must(err)
			}
			k.commitForks(branch{newer, func() io.Reader { return content(1, 2000) }}, branch{s, forked(1000, 2, 300_000)})
			k.must(k.d.Delete(k.Context(), s.Key))
			k.nothingBut(newer.Key)
		})
	}},
	{"an append whose source fails", func(k *kit) {
		for _, cause := range []error{errSource, drivers.ErrDiscard} {
			k.eachFault(func(f *trial) {
				start := k.append(drivers.Session{}, k.fresh(), 1, 1000)
				s := start
				_ = f.during(func() (err error) {
					s, err = k.d.Append(k.Context(), start, k.fresh(), &stream{id: 1, from: 1000, to: 300_000, err: cause}, nil)
					if errors.Is(err, cause) {
						return nil
					}
					return err
				})
				k.isAt(s, 1, s.Offset)
				f.restart()
				s = k.append(s, k.fresh(), 1, 400_000)
				k.commit(s, content(1, 400_000))
				k.nothingBut(s.Key)
			})
		}
	}},
	{"commit", func(k *kit) {
		k.eachFault(func(f *trial) {
			s := k.append(drivers.Session{}, f.id+"/deep/key", 1, 1000)
			commit := func() error { _, err := k.d.Commit(k.Context(), s); return err }
			if f.during(commit) != nil {
				if all := k.keys(drivers.ListOptions{Prefix: s.Key}); len(all) > 0 {
					k.holds(s.Key, content(1, 1000))
				} else {
					k.wantAbsent(s.Key)
				}
				f.restart()
				k.must(commit())
			}
			k.holds(s.Key, content(1, 1000))
			k.must(commit())
			k.must(k.d.Delete(k.Context(), s.Key))
			f.restart()
			k.wantErr("commit of what was deleted", commit(), drivers.ErrNotFound)
			k.nothingBut()
		})
	}},
	{"abort", func(k *kit) {
		k.eachFault(func(f *trial) {
			s := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			again := func() error { return k.d.Abort(k.Context(), s) }
			if f.during(again) != nil {
				f.restart()
				k.must(again())
			}
			k.gone(s)
			k.nothingBut()
		})
	}},
}

// trial is one run of a test with one fault.
type trial struct {
	k       *kit
	id      string
	fault   Fault
	hit     bool
	done    int // retries that found the first attempt undone
	already int // retries that found it done
}

// eachFault runs fn with a fault in the first step, then in the second, and so on until there are no more steps, in both ways each.
func (k *kit) eachFault(fn func(f *trial)) (last *trial) {
	k.Helper()
	last = &trial{}
	for step := 1; ; step++ {
		hit := false
		for _, o := range []Outcome{NotApplied, Unanswered} {
			f := &trial{k: k, id: fmt.Sprintf("f%d-%d", step, o), fault: Fault{step, o}, done: last.done, already: last.already}
			fn(f)
			hit, last = hit || f.hit, f
		}
		if !hit {
			break
		}
		if step == 500 {
			k.Fatal("there is no end of steps")
		}
	}
	if last.fault.Step == 1 {
		k.Fatal("no fault ever happened")
	}
	return last
}

// during calls fn with the fault armed. An error must be one that lets the caller try again.
func (f *trial) during(fn func() error) error {
	f.k.Helper()
	disarm := f.k.h.Inject(f.fault)
	err := fn()
	f.hit = disarm()
	if err != nil && (!f.hit || !errors.Is(err, drivers.ErrUnavailable)) {
		f.k.Fatalf("step %d %v (happened: %t): got error %v", f.fault.Step, f.fault.Outcome, f.hit, err)
	}
	return err
}

// restart goes on as another process, in every second trial.
func (f *trial) restart() {
	f.k.Helper()
	if f.fault.Step%2 == 0 {
		f.k.reopen()
	}
}

// mineOrRetry judges the answer of a second attempt at a conditional write of body.
func (f *trial) mineOrRetry(key, body string, err error) {
	f.k.Helper()
	if !errors.Is(err, drivers.ErrPrecondition) {
		f.k.must(err)
		f.done++
		return
	}
	f.already++
	f.k.want(key, body)
}

// wantBoth checks that the faults of conditional writes came in both kinds.
func (f *trial) wantBoth() {
	f.k.Helper()
	if f.done == 0 || f.already == 0 {
		f.k.Fatalf("of the retries %d found the write undone and %d done: the faults do not come in pairs", f.done, f.already)
	}
}

// whole checks that key holds body or nothing.
func (k *kit) whole(key, body string) {
	k.Helper()
	_, err := k.d.Stat(k.Context(), key)
	if errors.Is(err, drivers.ErrNotFound) {
		k.wantAbsent(key)
		return
	}
	k.must(err)
	k.want(key, body)
}

// nothingBut checks what the store holds, and empties it.
func (k *kit) nothingBut(want ...string) {
	k.Helper()
	if got := k.keys(drivers.ListOptions{}); !slices.Equal(got, want) {
		k.Fatalf("the store holds %q, want %q", got, want)
	}
	k.must(k.d.Delete(k.Context(), want...))
}
