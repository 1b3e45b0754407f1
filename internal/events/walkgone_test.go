//go:build stores

package events

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestGoneEndpoint: what waits for an endpoint that no node has any more goes among the dead, replays too, and the journal is not kept for it.
func TestGoneEndpoint(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	gone, stays := newSink(t, Options{Name: "gone"}), newSink(t, Options{Name: "stays"})
	gone.answers(always(http.StatusInternalServerError))
	soon := func(e *Events) { e.times.gone = time.Second }
	first := run(t, cluster(t, j, server.Addr, gone.Endpoint, stays.Endpoint)(), soon)
	entry := j.push(t, "some/repo", 0, "a")
	first.Committed(entry)
	eventually(t, "the other endpoint has it", func() bool { return stays.has(entry) })
	first.stop()
	again := j.replay(t, "gone", "stays")
	run(t, cluster(t, j, server.Addr, stays.Endpoint)(), soon)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	c := client(t, server.Addr)
	eventually(t, "its stream is gone", func() bool { return c.Exists(t.Context(), "{test:events}:q:gone").Val() == 0 })
	empty(t, c, "gone", "stays")
	dead := j.buried("gone")
	for _, e := range []storage.Entry{entry, again} {
		if !slices.ContainsFunc(dead, func(d storage.DeadEvent) bool {
			return d.ID == e.ID && string(d.Note) == string(e.Note) && d.Reason != ""
		}) {
			t.Errorf("%s is not among the dead, which are %+v", e.ID, dead)
		}
	}
	if !stays.has(again) {
		t.Error("the replay did not get to the endpoint that is there")
	}
}

// replay writes an entry for some endpoints alone.
func (j *journal) replay(t *testing.T, endpoints ...string) storage.Entry {
	entry := j.push(t, "some/repo", time.Hour, "again")
	entry.Action, entry.Endpoints = storage.ActionReplay, endpoints
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[entry.ID] = entry
	return entry
}

// TestForeignReplay: without Redis a replay to an endpoint that this node does not have is read a few times, and is among the dead again in the end.
func TestForeignReplay(t *testing.T) {
	t.Parallel()
	j := &counting{journal: newJournal()}
	s := newSink(t, Options{})
	for range 20 {
		j.replay(t, "elsewhere")
	}
	both := j.replay(t, "elsewhere", "one")
	run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, func(e *Events) { e.times.gone = time.Second })
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if n := len(j.buried("elsewhere")); n != 21 || !s.has(both) {
		t.Errorf("%d are among the dead, want 21; the endpoint that is there has its own: %v", n, s.has(both))
	}
	if n := j.entries.Load(); n > 21*10 {
		t.Errorf("they were read %d times", n)
	}
}

// walked counts how often the journal is listed.
type walked struct {
	*journal
	walks atomic.Int64
}

func (w *walked) Journal(ctx context.Context, after string, n int) ([]string, string, error) {
	w.walks.Add(1)
	return w.journal.Journal(ctx, after, n)
}

// TestNotGone: events wait for an endpoint that is down, and for longer than what makes one gone no node reaches Redis, or none runs. None of them is lost.
func TestNotGone(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		t.Run(map[bool]string{false: "no node reaches Redis", true: "all nodes are stopped"}[stopped], func(t *testing.T) {
			t.Parallel()
			server, j := startRedis(t), &walked{journal: newJournal()}
			s := newSink(t, Options{Backoff: 50 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, MaxAttempts: 1000})
			s.answers(always(http.StatusInternalServerError))
			soon := func(e *Events) {
				e.times.gone, e.times.census, e.times.away = time.Second, 500*time.Millisecond, 10*time.Second
			}
			settings := cluster(t, j, server.Addr, s.Endpoint)
			var ways []*cut
			var nodes []*running
			start := func() {
				for range 3 {
					one := settings()
					way := &cut{Conn: one.Conn}
					one.Conn = way
					ways, nodes = append(ways, way), append(nodes, run(t, one, soon))
				}
			}
			start()
			for i := range 30 {
				nodes[i%3].Committed(j.push(t, "some/repo", 0, tag(i)))
			}
			c := client(t, server.Addr)
			eventually(t, "tries", func() bool { return c.HLen(t.Context(), "{test:events}:tries:one").Val() > 0 })
			for i := range nodes {
				ways[i].away.Store(true)
				if stopped {
					nodes[i].stop()
				}
			}
			<-time.After(3 * time.Second) // in which nothing is to happen
			if stopped {
				start()
			}
			for _, way := range ways {
				way.away.Store(false)
			}
			before := j.walks.Load()
			eventually(t, "the journal is walked", func() bool { return j.walks.Load() > before+10 })
			if n := j.left(); n != 30 {
				t.Errorf("the journal holds %d, want 30", n)
			}
			s.answers(nil)
			eventually(t, "all is settled", func() bool { return j.left() == 0 })
			if n, _ := s.took(); n != 30 || len(j.buried("one")) != 0 {
				t.Errorf("the endpoint took %d of 30", n)
			}
		})
	}
}
