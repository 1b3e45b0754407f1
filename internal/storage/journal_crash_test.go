package storage_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// journaled is something that the journal tells of.
type journaled struct {
	name   string
	before func(*testing.T, drivers.Driver)
	act    func(*testing.T, *storage.Repository) error
	done   func(*testing.T, *storage.Repository) bool // what a reader sees of it
	unsure bool                                       // what was undone before may look as if it was this
	fails  bool                                       // it is bad input, and leaves nothing
}

func journaledActions() []journaled {
	config, layer := content(1, 100), content(2, 100)
	first, second, absent := image("1", config, layer), image("2", config, layer), image("3", config, content(9, 10))
	d := digest.FromBytes(first)
	at := func(m []byte, tags ...reference.Tag) func(*testing.T, *storage.Repository) bool {
		return func(t *testing.T, r *storage.Repository) bool {
			for _, tag := range tags {
				if tagOf(t, r, tag) != digest.FromBytes(m) {
					return false
				}
			}
			return has(t, r, digest.FromBytes(m))
		}
	}
	push := func(m []byte, tags ...reference.Tag) func(*testing.T, *storage.Repository) error {
		return func(t *testing.T, r *storage.Repository) error { return pushManifest(t.Context(), r, m, tags...) }
	}
	start := func(steps ...func(*testing.T, *storage.Repository) error) func(*testing.T, drivers.Driver) {
		return func(t *testing.T, d drivers.Driver) {
			prepared(t, d)
			must(t, pushWhole(t.Context(), repository(d), config))
			must(t, pushWhole(t.Context(), repository(d), layer))
			for _, step := range steps {
				must(t, step(t, repository(d)))
			}
		}
	}
	old := func(t *testing.T, store drivers.Driver) {
		asDistribution(t, store, first, [][]byte{config, layer}, "a", "b")
		prepared(t, store)
	}
	remove := func(t *testing.T, r *storage.Repository) error { return r.DeleteManifest(t.Context(), d, nil) }
	untag := func(t *testing.T, r *storage.Repository) error { return r.DeleteTag(t.Context(), "a", nil) }
	removed := func(t *testing.T, r *storage.Repository) bool { return !has(t, r, d) }
	untagged := func(t *testing.T, r *storage.Repository) bool { return tagOf(t, r, "a") == "" }
	return []journaled{
		{"push", start(), push(first, "a"), at(first, "a"), false, false},
		{"push by digest", start(), push(first), at(first), false, false},
		{"push of two tags", start(push(second, "b")), push(first, "a", "b"), at(first, "a", "b"), false, false},
		{"move of a tag", start(push(second, "a")), push(first, "a"), at(first, "a"), false, false},
		{"the same again", start(push(first, "a")), push(first, "a"), at(first, "a"), false, false},
		{"push back", start(push(first, "a"), push(second, "a")), push(first, "a"), at(first, "a"), true, false},
		{"push after delete", start(push(first, "a"), remove), push(first, "a"), at(first, "a"), true, false},
		{"push by digest after delete", start(push(first), remove), push(first), at(first), true, false},
		{"push of a deleted tag", start(push(first, "a"), untag), push(second, "a"), at(second, "a"), true, false},
		{"push of what lacks a blob", start(push(first, "a")), push(absent, "a"), at(absent, "a"), false, true},
		{"push over CNCF Distribution", old, push(first, "a"), at(first, "a"), false, false},
		{"delete", start(push(first, "a", "b")), remove, removed, false, false},
		{"delete once more", start(push(first, "a"), remove, push(first)), remove, removed, false, false},
		{"delete of a tag", start(push(first, "a", "b")), untag, untagged, false, false},
		{"delete of a tag pushed anew", start(push(first, "a"), untag, push(second, "a")), untag, untagged, false, false},
		{"delete from CNCF Distribution", old, remove, removed, false, false},
		{"delete of a tag of CNCF Distribution", old, untag, untagged, false, false},
	}
}

// The process dies at each call of the store in turn, or the call alone fails, before it happens or after. Then another process finds what is in the journal:
// everything that was acknowledged, or that anybody can see, is there; and nothing is called visible that is not.
func TestJournalFindsAll(t *testing.T) {
	t.Parallel()
	for _, c := range journaledActions() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var before, acked bool
			var box *outbox
			open := func(t *testing.T) drivers.Driver {
				d := drivertest.NewFake(t)
				c.before(t, d)
				forget(t, d)
				before, box = c.done(t, prepared(t, d).Repository(repoName)), &outbox{}
				return d
			}
			act := func(t *testing.T, d drivers.Driver) {
				r := notified(d, box)
				acked = r.Prepare(t.Context()) == nil && c.act(t, r.Repository(repoName)) == nil
			}
			check := func(t *testing.T, d drivers.Driver, at drivertest.Call) {
				c.found(t, d, at, before, acked, box)
			}
			t.Run("dies", func(t *testing.T) { drivertest.EachCrash(t, open, act, check) })
			t.Run("goes on", func(t *testing.T) { eachFault(t, open, act, check) })
		})
	}
}

// found looks at what is in the journal.
func (c journaled) found(t *testing.T, d drivers.Driver, at drivertest.Call, before, acked bool, box *outbox) {
	t.Helper()
	seen, entries := c.done(t, prepared(t, d).Repository(repoName)), journal(t, d)
	if c.fails && (acked || len(box.told) > 0 || at.N == 0 && len(entries) > 0) {
		t.Errorf("%v: bad input was acknowledged: %v, told of: %d, %d entries are left", at, acked, len(box.told), len(entries))
	}
	if (acked || seen && !before) && len(entries) != 1 {
		t.Fatalf("%v: acknowledged %v, seen %v, and there are %d entries", at, acked, seen, len(entries))
	}
	if acked && !box.has(entries[0].ID) {
		t.Errorf("%v: nobody was told of what was acknowledged", at)
	}
	for _, e := range entries {
		now, late, last := outcomeOf(t, aged(t, d, 0), e), outcomeOf(t, aged(t, d, over), e), outcomeOf(t, aged(t, d, lapsed), e)
		switch {
		case now == storage.Lapsed || late == storage.Lapsed || last == storage.Pending:
			t.Errorf("%v: %v, later %v and %v", at, now, late, last)
		case acked && (now != storage.Visible || last != storage.Visible):
			t.Errorf("%v: it was acknowledged, and is %v, later %v", at, now, last)
		case now == storage.Visible && !seen:
			t.Errorf("%v: it is called visible, and nobody can see it", at)
		case last == storage.Visible && !seen && !c.unsure:
			t.Errorf("%v: it is called visible in the end, and nobody can see it", at)
		case last == storage.Lapsed && seen && !before:
			t.Errorf("%v: it can be seen, and lapsed", at)
		}
	}
	if s := sound(t, d); s.Journal != len(entries) {
		t.Errorf("%v: fsck counts %d entries of %d", at, s.Journal, len(entries))
	}
	forget(t, d)
}

// eachFault is EachCrash with a process that outlives the call that failed.
func eachFault(t *testing.T, open func(*testing.T) drivers.Driver, act func(*testing.T, drivers.Driver), check func(*testing.T, drivers.Driver, drivertest.Call)) {
	t.Helper()
	for n, over := 1, false; !over && !t.Failed(); n++ {
		for _, o := range []drivertest.Outcome{drivertest.NotApplied, drivertest.Unanswered} {
			var at drivertest.Call
			d := open(t)
			act(t, drivertest.NewFaulty(d, func(c drivertest.Call) drivertest.Outcome {
				if c.N != n {
					return drivertest.Pass
				}
				at = c
				at.Outcome = o
				return o
			}))
			check(t, d, at)
			over = at.N == 0
		}
	}
}
