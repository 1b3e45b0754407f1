//go:build stores

package events

import (
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestRate: one node delivers more than 1,000 events a second to a local endpoint, with Redis and without.
func TestRate(t *testing.T) {
	const least = 1000
	events := 5000
	if raceDetector {
		events = 1000
	}
	for _, redis := range []bool{true, false} {
		j := newJournal()
		s := newSink(t, Options{})
		settings := Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}
		if redis {
			settings = cluster(t, j, startRedis(t).Addr, s.Endpoint)()
		}
		e := run(t, settings, func(e *Events) { e.times.untold = time.Hour })
		warm := j.push(t, "some/repo", 0, "warm")
		e.Committed(warm)
		eventually(t, "it works", func() bool { return s.has(warm) })
		var entries []storage.Entry
		for i := range events {
			entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
		}
		start := time.Now()
		for _, entry := range entries {
			e.Committed(entry)
		}
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		rate := float64(events) / time.Since(start).Seconds()
		t.Logf("with Redis %v: %.0f events a second", redis, rate)
		if rate < least && !raceDetector {
			t.Errorf("%.0f events a second with Redis %v, want %d", rate, redis, least)
		}
		e.stop()
	}
}

// TestMemory: 100,000 events that wait for an endpoint which is down need no memory to speak of, with Redis and without; another endpoint gets all.
func TestMemory(t *testing.T) {
	const most = 50 << 20
	events := 100_000
	if raceDetector {
		events = 20_000
	}
	for _, redis := range []bool{true, false} {
		j := newJournal()
		dead := newSink(t, Options{Name: "dead", Threshold: 5})
		dead.answers(always(http.StatusInternalServerError))
		good := newSink(t, Options{Name: "good", Include: []string{"good"}})
		settings := Settings{Registry: j, Endpoints: []*Endpoint{dead.Endpoint, good.Endpoint}}
		if redis {
			settings = cluster(t, j, startRedis(t).Addr, dead.Endpoint, good.Endpoint)()
		}
		for i := range events {
			j.push(t, "some/repo", time.Hour, tag(i))
		}
		before := heap()
		e := run(t, settings, func(e *Events) { e.times.betweenPages, e.times.directWalk = time.Millisecond, 10*time.Millisecond })
		eventually(t, "all is queued", func() bool {
			s := e.endpoints(t.Context(), false)
			return s.Known && s.Endpoints[0].Waiting == int64(events)
		})
		last := j.push(t, "good", time.Hour, "last")
		e.Committed(last)
		eventually(t, "the other endpoint gets what it wants", func() bool { return good.has(last) })
		grown := int64(heap()) - int64(before)
		t.Logf("with Redis %v: %d KiB more for %d events that wait", redis, grown>>10, events)
		if grown > most {
			t.Errorf("the heap has grown by %d MiB with Redis %s, want %d at most", grown>>20, strconv.FormatBool(redis), most>>20)
		}
		e.stop()
	}
}

// heap is how much is in use after garbage was collected.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
