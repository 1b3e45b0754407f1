//go:build stores

package events

import (
	"net/http"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
)

// TestFlush: Redis loses everything, again and again, while events wait and are delivered.
func TestFlush(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s, slow := newSink(t, Options{Name: "one"}), newSink(t, Options{Name: "slow"})
	slow.answers(func([]Event) int { <-time.After(5 * time.Millisecond); return http.StatusOK })
	settings := cluster(t, j, server.Addr, s.Endpoint, slow.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
	var entries []storage.Entry
	for i := range 600 {
		entry := j.push(t, "some/repo", 0, tag(i))
		entries = append(entries, entry)
		nodes[i%2].Committed(entry)
		if i%150 == 149 {
			if err := client(t, server.Addr).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !s.has(entries...) || !slow.has(entries...) {
		t.Error("events were lost")
	}
	_, all := slow.took()
	t.Logf("600 events and 4 flushes: the slow endpoint got %d", all)
}

// TestLostKeys: Redis loses single keys, as when it is short of memory.
func TestLostKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"q:one", "later:one", "tries:one", "open:one", "endpoints"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			server, j := startRedis(t), newJournal()
			s := newSink(t, Options{Backoff: 50 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
			s.answers(always(http.StatusInternalServerError))
			e := run(t, cluster(t, j, server.Addr, s.Endpoint)(), nil)
			var entries []storage.Entry
			for i := range 30 {
				entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
				e.Committed(entries[i])
			}
			c := client(t, server.Addr)
			eventually(t, "some are put off", func() bool { return c.ZCard(t.Context(), "{test:events}:later:one").Val() > 3 })
			if err := c.Del(t.Context(), "{test:events}:"+key).Err(); err != nil {
				t.Fatal(err)
			}
			s.answers(nil)
			eventually(t, "all is settled", func() bool { return j.left() == 0 })
			if !s.has(entries...) {
				t.Error("events were lost")
			}
		})
	}
}

// TestRedisTrouble: Redis is killed, or hangs, in the middle; the relay delivers meanwhile, and Redis goes on when it is back.
func TestRedisTrouble(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]struct {
		begin, end func(*teststore.Process) error
	}{
		"killed": {func(p *teststore.Process) error { p.Stop(); return nil }, (*teststore.Process).Restart},
		"hung":   {(*teststore.Process).Pause, (*teststore.Process).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, j := startRedis(t), newJournal()
			s := newSink(t, Options{})
			settings := cluster(t, j, server.Addr, s.Endpoint)
			nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
			var entries []storage.Entry
			push := func() {
				for i := range 100 {
					entry := j.push(t, "some/repo", 0, tag(i))
					entries = append(entries, entry)
					nodes[i%2].Committed(entry)
				}
			}
			push()
			if err := harm.begin(server); err != nil {
				t.Fatal(err)
			}
			push()
			eventually(t, "the relay delivers", func() bool { return j.left() == 0 && s.has(entries...) })
			if err := harm.end(server); err != nil {
				t.Fatal(err)
			}
			push()
			eventually(t, "all is delivered by Redis", func() bool {
				return j.left() == 0 && s.has(entries...) && nodes[0].direct.Load() == nil && nodes[1].direct.Load() == nil
			})
			different, all := s.took()
			t.Logf("%d events, of which the endpoint got %d", different, all)
		})
	}
}

// TestQueueTrouble: an endpoint answers 500, hangs and is back; what is tried again is counted, and another endpoint does not wait.
func TestQueueTrouble(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	good := newSink(t, Options{Name: "good"})
	bad := newSink(t, Options{Name: "bad", Timeout: 100 * time.Millisecond, Threshold: 5, Backoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	settings := cluster(t, j, server.Addr, good.Endpoint, bad.Endpoint)
	nodes := []*running{run(t, settings(), nil), run(t, settings(), nil)}
	var entries []storage.Entry
	c := client(t, server.Addr)
	for i, status := range []int{http.StatusInternalServerError, 0} {
		bad.answers(always(status))
		for k := range 100 {
			entry := j.push(t, "some/repo", 0, tag(k))
			entries = append(entries, entry)
			nodes[k%2].Committed(entry)
		}
		eventually(t, "the good endpoint has all", func() bool { return good.has(entries...) })
		eventually(t, "attempts are counted", func() bool { return c.HLen(t.Context(), "{test:events}:tries:bad").Val() > int64(10*i) })
	}
	if n, _ := bad.took(); n != 0 {
		t.Errorf("the bad endpoint took %d", n)
	}
	eventually(t, "the status says what waits", func() bool {
		s, err := nodes[0].Status(t.Context())
		return err == nil && s.Known && s.Redis && s.Endpoints[1].Waiting == 200 && !s.Endpoints[1].Oldest.IsZero() && s.Endpoints[0].Waiting == 0 && s.Journal == 200
	})
	bad.answers(nil)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if !bad.has(entries...) {
		t.Error("events were lost")
	}
	empty(t, c, "good", "bad")
}
