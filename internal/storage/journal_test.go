package storage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// The entry is the first thing that a push asks of the store; of a deletion, the first that it writes.
func TestEntryComesFirst(t *testing.T) {
	t.Parallel()
	fake, config := drivertest.NewFake(t), content(1, 10)
	must(t, pushWhole(t.Context(), repository(fake), config))
	m := image("", config)
	for _, c := range []struct {
		name string
		do   func(*storage.Repository) error
		want storage.Entry
	}{
		{"push", func(r *storage.Repository) error {
			_, err := r.PutManifest(t.Context(), storage.Push{Tags: []reference.Tag{"a", "b"}, MediaType: ociType, Content: m,
				Note: func(p storage.Pushed) []byte { return []byte(p.MediaType + p.Digest.String()) }})
			return err
		}, storage.Entry{Action: storage.ActionPush, Digest: digest.FromBytes(m), Tags: []reference.Tag{"a", "b"},
			References: []digest.Digest{digest.FromBytes(config)}, Note: []byte(ociType + digest.FromBytes(m).String())}},
		{"delete of a tag", func(r *storage.Repository) error { return r.DeleteTag(t.Context(), "b", []byte("note")) },
			storage.Entry{Action: storage.ActionDelete, Tags: []reference.Tag{"b"}, Note: []byte("note")}},
		{"delete", func(r *storage.Repository) error {
			return r.DeleteManifest(t.Context(), digest.FromBytes(m), []byte("note"))
		},
			storage.Entry{Action: storage.ActionDelete, Digest: digest.FromBytes(m), Note: []byte("note")}},
	} {
		calls, box := drivertest.NewFaulty(fake, nil), &outbox{}
		must(t, c.do(notified(calls, box).Repository(repoName)))
		first := drivertest.Call{}
		for _, call := range calls.Calls() {
			if call.Op.Writes() || c.want.Action == storage.ActionPush {
				first = call
				break
			}
		}
		if first.Op != drivertest.OpPut || !strings.Contains(first.Key, "/journal/") {
			t.Errorf("%s: %v is the first", c.name, first)
		}
		entries := journal(t, fake)
		if len(entries) != 1 || !box.has(entries[0].ID) {
			t.Fatalf("%s: %d entries, told of %d", c.name, len(entries), len(box.told))
		}
		got, told := *entries[0], box.told[entries[0].ID]
		if fmt.Sprint(got) != fmt.Sprint(told) {
			t.Errorf("%s: the journal has %+v, told was %+v", c.name, got, told)
		}
		c.want.ID, c.want.Repository, c.want.Stood = got.ID, repoName, got.Stood
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: the journal has %+v, want %+v", c.name, got, c.want)
		}
		forget(t, fake)
	}
}

// What was acknowledged is visible for ever, whatever others made of it since; at the latest when its time is over.
func TestOutcomeOutlivesOthers(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	mine, other := image("mine", config), image("other", config)
	push := func(m []byte, tags ...reference.Tag) func(context.Context, *storage.Repository) error {
		return func(ctx context.Context, r *storage.Repository) error { return pushManifest(ctx, r, m, tags...) }
	}
	remove := func(m []byte) func(context.Context, *storage.Repository) error {
		return func(ctx context.Context, r *storage.Repository) error {
			return r.DeleteManifest(ctx, digest.FromBytes(m), nil)
		}
	}
	untag := func(tag reference.Tag) func(context.Context, *storage.Repository) error {
		return func(ctx context.Context, r *storage.Repository) error { return r.DeleteTag(ctx, tag, nil) }
	}
	type steps = []func(context.Context, *storage.Repository) error
	overwritten := make(steps, 60)
	for i := range overwritten {
		overwritten[i] = push(image(name(i), config), "a")
	}
	for _, c := range []struct {
		name  string
		do    func(context.Context, *storage.Repository) error
		since steps
		now   storage.Outcome // before its time is over
	}{
		{"push", push(mine, "a"), nil, storage.Visible},
		{"push by digest", push(mine), nil, storage.Visible},
		{"pushed again", push(mine, "a"), steps{push(mine, "a")}, storage.Pending},
		{"pushed again, by digest", push(mine), steps{push(mine, "a"), push(mine)}, storage.Visible},
		{"tag moved", push(mine, "a"), steps{push(other, "a")}, storage.Visible},
		{"tag moved, and one that was not", push(mine, "a", "b"), steps{push(other, "a")}, storage.Visible},
		{"tag moved there and back", push(mine, "a"), steps{push(other, "a"), push(mine, "a")}, storage.Visible},
		{"tag pushed again, and moved", push(mine, "a"), steps{push(mine, "a"), push(other, "a")}, storage.Pending},
		{"tag moved 20 times", push(mine, "a"), overwritten[:20], storage.Visible},
		{"tag moved 60 times", push(mine, "a"), overwritten, storage.Pending},
		{"tag deleted", push(mine, "a"), steps{untag("a")}, storage.Pending},
		{"tag deleted, and pushed by somebody else", push(mine, "a"), steps{untag("a"), push(other, "a")}, storage.Pending},
		{"tag deleted, and moved twice", push(mine, "a"), steps{untag("a"), push(other, "a"), push(image("3", config), "a")}, storage.Pending},
		{"tag moved, and then deleted, and pushed", push(mine, "a"), steps{push(other, "a"), untag("a"), push(other, "a")}, storage.Pending},
		{"deleted", push(mine, "a"), steps{remove(mine)}, storage.Pending},
		{"deleted, by digest", push(mine), steps{remove(mine)}, storage.Pending},
		{"deleted, and its tag pushed by somebody else", push(mine, "a"), steps{remove(mine), push(other, "a")}, storage.Pending},
		{"deleted, and pushed again", push(mine, "a"), steps{remove(mine), push(mine, "b")}, storage.Pending},
		{"deleted after its tag was moved", push(mine, "a"), steps{push(other, "a"), remove(mine)}, storage.Visible},
		{"delete", remove(mine), nil, storage.Visible},
		{"delete, and pushed again", remove(mine), steps{push(mine, "b")}, storage.Visible},
		{"delete, pushed and deleted again", remove(mine), steps{push(mine, "b"), remove(mine)}, storage.Visible},
		{"delete of a tag", untag("before"), nil, storage.Visible},
		{"delete of a tag, pushed again", untag("before"), steps{push(mine, "before")}, storage.Visible},
		{"delete of a tag, pushed by somebody else", untag("before"), steps{push(other, "before")}, storage.Visible},
		{"delete of a tag, pushed and moved", untag("before"), steps{push(other, "before"), push(mine, "before")}, storage.Visible},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", by CNCF Distribution ", old), func(t *testing.T) {
				t.Parallel()
				fake := drivertest.NewFake(t)
				if old {
					asDistribution(t, fake, mine, [][]byte{config}, "before")
				}
				r := prepared(t, fake).Repository(repoName)
				must(t, pushWhole(t.Context(), r, config))
				if !old && !strings.HasPrefix(c.name, "push") { // what is pushed there was never
					must(t, pushManifest(t.Context(), r, mine, "before"))
				}
				forget(t, fake)
				box := &outbox{}
				n := notified(fake, box)
				must(t, n.Prepare(t.Context()))
				must(t, c.do(t.Context(), n.Repository(repoName)))
				entry := journal(t, fake)[0]
				for _, step := range c.since {
					must(t, step(t.Context(), prepared(t, fake).Repository(repoName)))
				}
				now := outcomeOf(t, aged(t, fake, 0), entry)
				if late, last := outcomeOf(t, aged(t, fake, over), entry), outcomeOf(t, aged(t, fake, lapsed), entry); now != c.now || late != storage.Visible || last != storage.Visible {
					t.Errorf("it is %v, and later %v and %v; want %v, then visible", now, late, last, c.now)
				}
				if !box.has(entry.ID) {
					t.Error("nobody was told")
				}
			})
		}
	}
}

// What another node may still remember of a tag when its push or deletion died before telling, it does not once its entry is called visible.
func TestVisibleIsToEverybody(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	first, second := image("1", config), image("2", config)
	for what, do := range map[string]func(*storage.Repository) error{
		"push":            func(r *storage.Repository) error { return pushManifest(t.Context(), r, second, "a") },
		"delete of a tag": func(r *storage.Repository) error { return r.DeleteTag(t.Context(), "a", nil) },
		"delete": func(r *storage.Repository) error {
			return r.DeleteManifest(t.Context(), digest.FromBytes(first), nil)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			fake, m := drivertest.NewFake(t), newMemory()
			reader := remembering(fake, m)
			must(t, pushWhole(t.Context(), repository(fake), config))
			must(t, pushManifest(t.Context(), repository(fake), first, "a"))
			forget(t, fake)
			look := func() string {
				return string(tagOf(t, reader.Repository(repoName), "a")) + fmt.Sprint(has(t, reader.Repository(repoName), digest.FromBytes(first)))
			}
			before := look()
			must(t, do(repository(fake))) // by a node that dies before it can tell
			if look() != before {
				t.Fatal("it was not remembered")
			}
			entries := journal(t, fake)
			if len(entries) != 1 || outcomeOf(t, remembering(fake, m), entries[0]) != storage.Visible {
				t.Fatalf("%d entries, the first is not visible", len(entries))
			}
			got, want := look(), string(tagOf(t, repository(fake), "a"))+fmt.Sprint(has(t, repository(fake), digest.FromBytes(first)))
			if what != "delete" && got != want || what == "delete" && !strings.HasSuffix(got, "false") {
				t.Errorf("a node serves %s, want %s", got, want)
			}
		})
	}
}

// The Outbox is told when every node serves what was done, and before the client is.
func TestCommittedIsLast(t *testing.T) {
	t.Parallel()
	config := content(1, 10)
	first, second := image("1", config), image("2", config)
	fake, m := drivertest.NewFake(t), newMemory()
	reader := remembering(fake, m).Repository(repoName)
	box, told := &outbox{}, 0
	box.look = func(e storage.Entry) {
		told++
		m.allTold(t, string(e.Action))
		agree(t, string(e.Action), reader, repository(fake), []reference.Tag{"a", "b"}, []digest.Digest{digest.FromBytes(first), digest.FromBytes(second)})
		if entries := journal(t, fake); len(entries) != 1 || entries[0].ID != e.ID {
			t.Errorf("%s: the journal has %d entries", e.Action, len(entries))
		}
	}
	node := remembering(fake, m)
	node.HandTo(box)
	r := node.Repository(repoName)
	must(t, pushWhole(t.Context(), r, config))
	for i, do := range []func() error{
		func() error { return pushManifest(t.Context(), r, first, "a", "b") },
		func() error { return pushManifest(t.Context(), r, second, "a") },
		func() error { return pushManifest(t.Context(), r, first, "a") },
		func() error { return r.DeleteTag(t.Context(), "b", nil) },
		func() error { return r.DeleteManifest(t.Context(), digest.FromBytes(first), nil) },
	} {
		must(t, do())
		if told != i+1 {
			t.Fatalf("%d answers, told of %d", i+1, told)
		}
		forget(t, fake)
	}
	for what, do := range map[string]func() error{
		"a deletion of nothing":          func() error { return r.DeleteTag(t.Context(), "b", nil) },
		"a deletion of what is gone":     func() error { return r.DeleteManifest(t.Context(), digest.FromBytes(first), nil) },
		"a push of what lacks its blobs": func() error { return pushManifest(t.Context(), r, image("3", content(7, 7)), "a") },
	} {
		if err := do(); err == nil || told != 5 || len(journal(t, fake)) > 0 {
			t.Errorf("%s: %v, told of %d, %d entries are left", what, err, told, len(journal(t, fake)))
		}
	}
}

// An entry that this release would never write is left alone.
func TestEntryOfAnotherRelease(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	for i, record := range []string{
		`{"v":1,"nonce":"n","action":"move","repository":"a","digest":"` + digest.FromString("").String() + `"}`,
		`{"v":2,"nonce":"n","action":"push","repository":"a","digest":"` + digest.FromString("").String() + `"}`,
		`{"v":1,"nonce":"n","action":"push","repository":"a","digest":"x"}`,
		`{"v":1,"nonce":"n","action":"push","repository":"a"}`,
		`{"v":1,"nonce":"n","action":"delete","repository":"a"}`,
		`{"v":1,"nonce":"n","action":"delete","repository":"_","tags":["a"]}`,
		`{"v":1,"nonce":"n","action":"delete","repository":"a","tags":["../a"]}`,
		`what?`,
	} {
		id := fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ69G5F%02d", i)
		_, err := fake.Put(t.Context(), storage.DefaultRoot+"/journal/"+id, strings.NewReader(record), drivers.Cond{IfAbsent: true})
		must(t, err)
		if e, err := storage.New(fake, storage.Options{}).Entry(t.Context(), id); err == nil {
			t.Errorf("%s is read as %+v", record, e)
		}
	}
	if e, err := storage.New(fake, storage.Options{}).Entry(t.Context(), "01ARZ3NDEKTSV4RRFFQ69G5FAV"); e != nil || err != nil {
		t.Errorf("no entry is %+v, %v", e, err)
	}
}

// What others put below the journal, deeper or under names that are no ids, is passed over, and a listing goes on behind it.
func TestJournalPassesOver(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	r := storage.New(fake, storage.Options{})
	for _, name := range []string{"01JA0000000000000000000001", "01JA0000000000000000000002", "a", "sub/01JA0000000000000000000003", "sub/01JA0000000000000000000004",
		"sub/01JA0000000000000000000005", "t", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01JA0000000000000000000001x"} {
		_, err := fake.Put(t.Context(), storage.DefaultRoot+"/journal/"+name, strings.NewReader("{}"), drivers.Cond{})
		must(t, err)
	}
	for _, n := range []int{1, 2, 3, 100} {
		var all []string
		for after, pages := "", 0; ; pages++ {
			ids, next, err := r.Journal(t.Context(), after, n)
			must(t, err)
			all = append(all, ids...)
			if after = next; next == "" {
				break
			}
			if pages > 10 {
				t.Fatalf("%d at a time, it does not come to an end", n)
			}
		}
		if fmt.Sprint(all) != "[01JA0000000000000000000001 01JA0000000000000000000002 7ZZZZZZZZZZZZZZZZZZZZZZZZZ]" {
			t.Errorf("%d at a time: %q", n, all)
		}
	}
}
