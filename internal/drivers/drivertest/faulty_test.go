package drivertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

func TestFaultyContract(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *Harness {
		h := openFake(t)
		h.Driver = NewFaulty(h.Driver, nil)
		return h
	}, []group{{"objects", objectTests}, {"conditions", conditionTests}, {"list", listTests}, {"forks", forkTests}, {"cancel", cancelTests}, {"faults", faultTests}})
}

func TestFaultyOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome Outcome
		there   bool
	}{{NotApplied, false}, {Unanswered, true}} {
		f := NewFaulty(NewFake(t), Once(On(OpPut, "b", c.outcome)))
		put := func(key string) error {
			_, err := f.Put(t.Context(), key, strings.NewReader("x"), drivers.Cond{IfAbsent: true})
			return err
		}
		if err := put("a"); err != nil {
			t.Error(err)
		}
		if err := put("b"); !errors.Is(err, drivers.ErrUnavailable) {
			t.Errorf("%v: %v", c.outcome, err)
		}
		if err := put("b"); errors.Is(err, drivers.ErrPrecondition) != c.there {
			t.Errorf("%v, again: %v", c.outcome, err)
		}
		want := []Call{{1, OpPut, "a", Pass}, {2, OpPut, "b", c.outcome}, {3, OpPut, "b", Pass}}
		if got := f.Calls(); !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	}
}

func TestFaultyBlocks(t *testing.T) {
	t.Parallel()
	f := NewFaulty(NewFake(t), On(OpStat, "", Block))
	ended := make(chan error)
	stat := func(ctx context.Context) {
		_, err := f.Stat(ctx, "key")
		ended <- err
	}
	go stat(t.Context())
	<-f.Blocked()
	f.Release()
	if err := <-ended; !errors.Is(err, drivers.ErrNotFound) {
		t.Errorf("released: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go stat(ctx)
	<-f.Blocked()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestEachCrash(t *testing.T) {
	t.Parallel()
	var seen []string
	EachCrash(t,
		func(t *testing.T) drivers.Driver { return NewFake(t) },
		func(t *testing.T, d drivers.Driver) {
			_, _ = d.Put(t.Context(), "a", strings.NewReader("x"), drivers.Cond{IfAbsent: true})
			_, _ = d.Stat(t.Context(), "a")
			_, _ = d.Put(t.Context(), "b", strings.NewReader("x"), drivers.Cond{IfAbsent: true})
		},
		func(_ *testing.T, d drivers.Driver, at Call) {
			seen = append(seen, string(at.Op)+" "+at.Outcome.String()+": "+strings.Join(d.(*Fake).Keys(), " "))
		})
	want := []string{
		"put not applied: ", "put unanswered: a", "stat not applied: a", "stat unanswered: a", "put not applied: a", "put unanswered: a b", " pass: a b",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

// An Append goes down with the calls that its saved makes.
func TestCrashInsideAppend(t *testing.T) {
	t.Parallel()
	f := NewFaulty(NewFake(t), nil)
	f.CrashAt(2, Unanswered)
	_, err := f.Append(t.Context(), drivers.Session{}, "up", &stream{id: 1, to: drivers.SaveInterval + 1}, func(drivers.Session) error {
		_, err := f.Put(t.Context(), "checkpoint", strings.NewReader("x"), drivers.Cond{IfAbsent: true})
		return err
	})
	if !errors.Is(err, drivers.ErrUnavailable) {
		t.Errorf("append gave %v", err)
	}
	if at, _ := f.Crashed(); at.Op != OpPut {
		t.Errorf("crashed at %v", at)
	}
}
