//go:build stores

package events

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestLongNotes: notes that are too long for Redis are delivered from the journal, and do not make it count as away.
func TestLongNotes(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		server, j := startRedis(t), newJournal()
		s := newSink(t, Options{Ordered: ordered, Timeout: time.Minute, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond})
		s.answers(always(http.StatusServiceUnavailable))
		e := run(t, steadyCluster(t, j, server.Addr, s.Endpoint)(), unhurried)
		var entries []storage.Entry
		for i := range 40 {
			entries = append(entries, j.pushLong(t, "some/repo", tag(i), 400<<10*(i%2)))
			e.Committed(entries[i])
		}
		c := client(t, server.Addr)
		eventually(t, "all is queued", func() bool { return c.XLen(t.Context(), "{test:events}:q:one").Val() == 40 })
		if n := c.MemoryUsage(t.Context(), "{test:events}:q:one", 0).Val(); n > 1<<20 {
			t.Errorf("Redis has %d bytes of 20 notes that are long", n)
		}
		s.answers(nil)
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if !s.has(entries...) || e.direct.Load() != nil {
			t.Error("not all was delivered by way of Redis")
		}
		if ordered {
			inOrder(t, s, 40)
		}
		empty(t, c, "one")
	}
}

// TestManyWait: of an endpoint for which very many entries wait, Redis has the ids alone; all arrive, and another endpoint does not wait.
func TestManyWait(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	good, dead := newSink(t, Options{Name: "good", Include: []string{"good"}}), newSink(t, Options{Name: "dead", Batch: 100, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond})
	dead.answers(always(http.StatusServiceUnavailable))
	e := run(t, cluster(t, j, server.Addr, good.Endpoint, dead.Endpoint)(), func(e *Events) { e.times.betweenPages = time.Millisecond })
	for i := range 10_500 {
		j.push(t, "some/repo", time.Hour, tag(i))
	}
	c := client(t, server.Addr)
	eventually(t, "all is queued", func() bool { return c.ZCard(t.Context(), "{test:events}:open:dead").Val() == 10_500 })
	last := j.push(t, "good", 0, "last")
	e.Committed(last)
	eventually(t, "the other endpoint has what it wants", func() bool { return good.has(last) })
	newest := c.XRevRangeN(t.Context(), "{test:events}:q:dead", "+", "-", 1).Val()
	if len(newest) != 1 || newest[0].Values["id"] != last.ID || newest[0].Values["body"] != nil {
		t.Errorf("the last in the stream is %+v, want an id alone", newest)
	}
	oldest := c.XRangeN(t.Context(), "{test:events}:q:dead", "-", "+", 1).Val()
	if len(oldest) != 1 || oldest[0].Values["body"] == nil {
		t.Errorf("the first in the stream is %+v, want one with its note", oldest)
	}
	dead.answers(nil)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	empty(t, c, "good", "dead")
}

// TestFullRedis: with noeviction, events that Redis has no room for wait in the journal, those that are queued are delivered, and then there is room.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, MaxAttempts: 1 << 20})
	s.answers(always(http.StatusServiceUnavailable))
	e := run(t, steadyCluster(t, j, server.Addr, s.Endpoint)(), func(e *Events) { e.times.untold = time.Hour }) // the relay brings nothing
	queued := j.push(t, "some/repo", 0, "queued")
	e.Committed(queued)
	c := client(t, server.Addr)
	eventually(t, "it is queued", func() bool { return c.HLen(t.Context(), "{test:events}:tries:one").Val() == 1 })
	for key, value := range map[string]string{"maxmemory-policy": "noeviction", "maxmemory": "1"} {
		if err := c.ConfigSet(t.Context(), key, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.remote.enqueue(t.Context(), []order{{id: newID(time.Now()), note: queued.Note, endpoints: []string{"one"}}}); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("what is queued while Redis is full: %v, want that it has no memory", err)
	}
	s.answers(nil)
	eventually(t, "what was queued is delivered, and settled", func() bool { return j.left() == 0 && s.has(queued) })
	empty(t, c, "one")
}

// TestLapse: what a node has in hand for an ordered endpoint when it cannot renew its lease is given again, and in order.
func TestLapse(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{Ordered: true, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Threshold: 1 << 20, MaxAttempts: 1 << 20})
	s.answers(always(http.StatusServiceUnavailable))
	settings := steadyCluster(t, j, server.Addr, s.Endpoint)()
	way := &cut{Conn: settings.Conn}
	settings.Conn = way
	e := run(t, settings, func(e *Events) {
		e.times.lease, e.times.away, e.times.stale = 600*time.Millisecond, time.Hour, time.Hour // nobody else would find it
	})
	var entries []storage.Entry
	push := func(n int) {
		for range n {
			entry := j.push(t, "some/repo", 0, tag(len(entries)))
			entries = append(entries, entry)
			e.Committed(entry)
		}
	}
	inHand := func() int {
		e.lanes[0].mu.Lock()
		defer e.lanes[0].mu.Unlock()
		return len(e.lanes[0].hand)
	}
	push(20)
	eventually(t, "they are in hand", func() bool { return inHand() == 20 })
	way.away.Store(true)
	eventually(t, "they are let go", func() bool { return inHand() == 0 })
	way.away.Store(false)
	push(20)
	eventually(t, "they are in hand again", func() bool { return inHand() == 40 })
	s.answers(nil)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	s.onceEach() // a node that is held up now lets go of what it has delivered, and is given that again
	inOrder(t, s, 40)
	empty(t, client(t, server.Addr), "one")
}
