//go:build stores

package events

import (
	"net/http"
	"testing"
	"time"
)

// TestRelayYields: a relay that alone cannot reach Redis leaves the lease to a node that can, and nothing is delivered twice for long.
func TestRelayYields(t *testing.T) {
	t.Parallel()
	server, j := startRedis(t), newJournal()
	s := newSink(t, Options{})
	settings := steadyCluster(t, j, server.Addr, s.Endpoint)
	first := settings()
	way := &cut{Conn: first.Conn}
	first.Conn = way
	patient := func(e *Events) { e.times.relayRetry = 6 * time.Second } // the other node asks for the lease a quarter of that before the first does again
	relay := run(t, first, patient)
	leads := func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.leases[relayLease] }
	eventually(t, "it leads", leads)
	other := run(t, settings(), patient)
	way.away.Store(true)
	eventually(t, "it yields", func() bool { return !leads() })
	s.answers(func([]Event) int { <-time.After(100 * time.Millisecond); return http.StatusOK })
	for i := range 200 {
		other.Committed(j.push(t, "some/repo", 0, tag(i)))
	}
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if relay.direct.Load() != nil || other.direct.Load() != nil {
		t.Error("a node delivers from the journal")
	}
	if different, all := s.took(); different != 200 || all != 200 {
		t.Errorf("the endpoint got %d events, %d of them different; want 200", all, different)
	}
	other.stop()
	late := j.push(t, "some/repo", time.Minute, "late")
	eventually(t, "alone, it delivers all the same", func() bool { return s.has(late) })
}
