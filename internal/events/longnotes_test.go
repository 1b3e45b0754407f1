package events

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// pushLong writes an entry whose note is a little longer than n bytes.
func (j *journal) pushLong(t testing.TB, repository reference.Name, tag reference.Tag, n int) storage.Entry {
	t.Helper()
	o := origin()
	o.Request.UserAgent = strings.Repeat("x", n)
	note, err := Note(o.ManifestPushed(Target{Repository: repository, Tag: tag, MediaType: "application/x", Digest: d("image"), Size: 5}))
	if err != nil {
		t.Fatal(err)
	}
	entry := storage.Entry{ID: newID(time.Now()), Action: storage.ActionPush, Repository: repository, Digest: d("image"), Note: note}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[entry.ID], j.sorted = entry, nil
	return entry
}

// failing is a journal of which some entries cannot be read at times.
type failing struct {
	*journal
	away  atomic.Pointer[string]
	tries atomic.Int32
}

func (f *failing) Entry(ctx context.Context, id string) (*storage.Entry, error) {
	if away := f.away.Load(); away != nil && *away == id {
		f.tries.Add(1)
		return nil, errStore
	}
	return f.journal.Entry(ctx, id)
}

// TestOpen: notes are read until they are long enough; what cannot be read holds up an ordered endpoint, and no other.
func TestOpen(t *testing.T) {
	t.Parallel()
	j := &failing{journal: newJournal()}
	var all []unread
	for i := range 100 {
		all = append(all, unread{id: j.pushLong(t, "some/repo", tag(i), openBytes/10).ID, at: "at", attempts: i})
	}
	gone := unread{id: newID(time.Now())}
	for name, c := range map[string]struct {
		ordered            bool
		away               string
		all                []unread
		least, most, fails int
	}{
		"long":               {false, "", all, 10, 10 + openAtOnce, 0},
		"short of the bound": {false, "", all[:5], 5, 5, 0},
		"unreadable":         {false, all[2].id, all[:5], 4, 4, 1},
		"ordered":            {true, "", all, 10, 10 + openAtOnce, 0},
		"ordered unreadable": {true, all[2].id, all[:5], 2, 2, 0},
		"gone":               {false, "", []unread{gone}, 1, 1, 0},
	} {
		j.away.Store(&c.away)
		s := newSink(t, Options{Ordered: c.ordered})
		letters, failed, left := newOpener(newOutlet(s.Endpoint, nil, zap.NewNop()), j, &quick).open(t.Context(), c.all)
		if n := len(letters); n < c.least || n > c.most || len(failed) != c.fails || n+len(failed)+len(left) != len(c.all) {
			t.Errorf("%s: of %d there are %d letters, %d failed, %d left", name, len(c.all), n, len(failed), len(left))
		}
		for i, m := range letters {
			if c.fails == 0 && (m.id != c.all[i].id || m.at != c.all[i].at || m.attempts != c.all[i].attempts) {
				t.Errorf("%s: letter %d is %s, want %s", name, i, m.id, c.all[i].id)
			}
		}
	}
}

// directly delivers what it is offered from the journal alone, as the relay does without Redis, until the test ends.
func directly(t testing.TB, e *Events) (offer func(entries ...storage.Entry)) {
	t.Helper()
	d := newDirect(e)
	l := d.lines[e.outlets[0].Name]
	l.lane = newLane(e.outlets[0], l, e.Registry, &e.times)
	runUntilEnd(t, l.lane.run)
	return func(entries ...storage.Entry) {
		for _, entry := range entries {
			d.found([]order{{id: entry.ID, endpoints: []string{l.endpoint.Name}}}) // its note is not at hand
		}
	}
}

// TestUnreadableDirect: without Redis, an entry that the store cannot give holds up an ordered endpoint, and is not overtaken.
func TestUnreadableDirect(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		j := &failing{journal: newJournal()}
		s := newSink(t, Options{Ordered: ordered})
		e := New(Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}})
		e.times = quick
		var entries []storage.Entry
		for i := range 30 {
			entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
		}
		j.away.Store(&entries[10].ID)
		directly(t, e)(entries...)
		eventually(t, "it is tried", func() bool { return j.tries.Load() > 2 && s.has(entries[:10]...) })
		if !ordered {
			eventually(t, "the others do not wait", func() bool { return s.has(entries[11:]...) })
		} else if n, _ := s.took(); n != 10 {
			t.Errorf("%d events arrived, want those before it, 10", n)
		}
		none := ""
		j.away.Store(&none)
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if ordered {
			inOrder(t, s, 30)
		}
	}
}

// TestOrderedSlowStore: without Redis there is no lease to lose: a read of the store that takes long leaves nothing behind.
func TestOrderedSlowStore(t *testing.T) {
	t.Parallel()
	j := &stuck{journal: newJournal(), read: make(chan struct{}), goOn: make(chan struct{})}
	s := newSink(t, Options{Ordered: true, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Threshold: 1000, MaxAttempts: 1 << 20})
	s.answers(always(503))
	e := New(Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}})
	e.times = quick
	e.times.lease = time.Millisecond
	offer := directly(t, e)
	first := j.push(t, "a", 0, "t1")
	offer(first)
	eventually(t, "it is tried", func() bool { return e.outlets[0].failures.Load() > 3 })
	slow := j.push(t, "b", 0, "t1")
	j.slow.Store(&slow.ID)
	offer(slow)
	<-j.read
	eventually(t, "the lease would be over", sinceStart(5*time.Millisecond))
	close(j.goOn)
	n := e.outlets[0].failures.Load()
	eventually(t, "it is tried further", func() bool { return e.outlets[0].failures.Load() > n+5 })
	s.answers(nil)
	next := j.push(t, "a", 0, "t2")
	offer(next)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !s.has(first, slow, next) {
		t.Error("events were lost")
	}
	inOrder(t, s, 3)
}

func sinceStart(d time.Duration) func() bool {
	start := time.Now()
	return func() bool { return time.Since(start) > d }
}

// stuck is a journal of which the first read through direct delivery of one entry takes until goOn is closed.
type stuck struct {
	*journal
	slow       atomic.Pointer[string]
	read, goOn chan struct{}
	once       atomic.Bool
}

func (s *stuck) Entry(ctx context.Context, id string) (*storage.Entry, error) {
	if slow := s.slow.Load(); slow != nil && *slow == id && s.once.CompareAndSwap(false, true) {
		close(s.read)
		<-s.goOn
	}
	return s.journal.Entry(ctx, id)
}
