package storage_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// deletes are the calls that remove, with how many keys each.
type deletes struct {
	drivers.Driver
	keys []int
	fail int // how many of them fail first
}

func (d *deletes) Delete(ctx context.Context, keys ...string) error {
	d.keys = append(d.keys, len(keys))
	if d.fail > 0 {
		d.fail--
		return drivers.ErrUnavailable
	}
	return d.Driver.Delete(ctx, keys...)
}

// settleIDs settles n entries, each at a time or all at once.
func settleIDs(r *storage.Registry, n int, together bool) {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "01ARZ3NDEKTSV4RRFFQ" + strings.Repeat("0", 4-len(name(i))+3) + name(i)
		if !together {
			r.Settle(ids[i])
		}
	}
	if together {
		r.Settle(ids...)
	}
}

// What is settled is removed a thousand at a time; what could not be is kept; and there is an end to what is kept.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		ids, fail   int
		flushes     int
		want        []int
		together    bool
		failureSeen bool
	}{
		{"nothing", 0, 0, 1, nil, true, false},
		{"one", 1, 0, 2, []int{1}, true, false},
		{"many", 2500, 0, 1, []int{1000, 1000, 500}, true, false},
		{"many, each by itself", 2500, 0, 1, []int{1000, 1000, 500}, false, false},
		{"a failure", 2500, 1, 2, []int{1000, 1000, 1000, 500}, true, true},
		{"too many", 150_000, 0, 1, slicesOf(100, 1000), true, false},
		{"too many, each by itself", 100_001, 1, 2, slicesOf(101, 1000), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := &deletes{Driver: drivertest.NewFake(t), fail: c.fail}
			r := storage.New(d, storage.Options{})
			settleIDs(r, c.ids, c.together)
			failed := false
			for range c.flushes {
				failed = r.FlushJournal(t.Context()) != nil || failed
			}
			if failed != c.failureSeen || len(d.keys) != len(c.want) {
				t.Fatalf("%d requests for %v keys, failed %v; want %d", len(d.keys), d.keys, failed, len(c.want))
			}
			for i := range c.want {
				if d.keys[i] != c.want[i] {
					t.Fatalf("the requests have %v keys, want %v", d.keys, c.want)
				}
			}
		})
	}
}

func slicesOf(n, size int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = size
	}
	return all
}

// A thousand and one pushes that nobody has to be told of cost one write each in the journal, and two requests to remove it all: one a second, and a last one.
func TestJournalIsRemovedInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, config := drivertest.NewFake(t), content(1, 10)
		calls := drivertest.NewFaulty(fake, nil)
		r := storage.New(calls, storage.Options{})
		must(t, pushWhole(t.Context(), r.Repository(repoName), config))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan struct{})
		go func() { defer close(ended); r.RunJournal(ctx) }()
		const pushes = 1001
		for i := range pushes {
			must(t, pushManifest(t.Context(), r.Repository(repoName), image(name(i), config), "a"))
		}
		count := func() (written, removed int) {
			for _, call := range calls.Calls() {
				switch {
				case call.Op == drivertest.OpDelete:
					removed++
				case call.Op == drivertest.OpPut && strings.Contains(call.Key, "/journal/"):
					written++
				}
			}
			return written, removed
		}
		if written, removed := count(); written != pushes || removed != 0 {
			t.Errorf("%d entries were written, and %d requests removed some before a second had passed", written, removed)
		}
		<-time.After(1500 * time.Millisecond)
		synctest.Wait()
		if _, removed := count(); removed != 2 || len(journal(t, fake)) > 0 {
			t.Errorf("%d requests, and %d entries are left", removed, len(journal(t, fake)))
		}
		must(t, r.Repository(repoName).DeleteTag(t.Context(), "a", nil))
		stop()
		<-ended
		if _, removed := count(); removed != 3 || len(journal(t, fake)) > 0 {
			t.Errorf("%d requests in the end, and %d entries are left", removed, len(journal(t, fake)))
		}
	})
}

// A process that dies while it removes entries leaves some of them, and nothing else.
func TestCrashWhileSettling(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	m := image("", config)
	drivertest.EachCrash(t, func(t *testing.T) drivers.Driver {
		fake := drivertest.NewFake(t)
		must(t, pushWhole(t.Context(), repository(fake), config))
		must(t, pushManifest(t.Context(), repository(fake), m, "a"))
		must(t, pushManifest(t.Context(), repository(fake), m, "b"))
		return fake
	}, func(t *testing.T, d drivers.Driver) {
		r := storage.New(d, storage.Options{})
		ids, _, err := r.Journal(t.Context(), "", 10)
		if err == nil {
			r.Settle(ids...)
			_ = r.FlushJournal(t.Context())
		}
	}, func(t *testing.T, d drivers.Driver, at drivertest.Call) {
		left := journal(t, d)
		if at.N == 0 && len(left) > 0 {
			t.Errorf("%d entries are left", len(left))
		}
		for _, e := range left {
			if outcomeOf(t, aged(t, d, 0), e) != storage.Visible {
				t.Errorf("%v: what is left is not visible", at)
			}
		}
		sound(t, d)
		forget(t, d)
	})
}
