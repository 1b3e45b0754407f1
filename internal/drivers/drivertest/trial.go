package drivertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/registryd/registryd/internal/drivers"
)

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
	if last.fault.Step == 1 && !k.h.Direct { // what takes no request cannot fail
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
	if f.k.h.Direct && f.done+f.already == 0 {
		return
	}
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
	got := k.keys(drivers.ListOptions{})
	superseded := func(key string) bool { return k.h.Direct && !slices.Contains(want, key) }
	if !slices.Equal(slices.DeleteFunc(slices.Clone(got), superseded), want) {
		k.Fatalf("the store holds %q, want %q", got, want)
	}
	k.must(k.d.Delete(k.Context(), got...))
}
