package events

import (
	"net/http"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestDisabled: without Redis, what waits for an endpoint that is disabled goes among the dead before others have it settled; what it ignores, and what is
// pushed later, does not.
func TestDisabled(t *testing.T) {
	t.Parallel()
	j := newJournal()
	good, dead := newSink(t, Options{Name: "good"}), newSink(t, Options{Name: "dead", Include: []string{"some/**"}})
	dead.answers(always(http.StatusServiceUnavailable))
	before := run(t, Settings{Registry: j, Endpoints: []*Endpoint{good.Endpoint, dead.Endpoint}}, nil)
	var waiting []storage.Entry
	for i := range 50 {
		waiting = append(waiting, j.push(t, "some/repo", time.Hour, tag(i)))
		before.Committed(waiting[i])
	}
	eventually(t, "the good endpoint has all", func() bool { return good.has(waiting...) })
	before.stop()

	options := dead.Endpoint.Options
	options.Disabled = true
	off, err := NewEndpoint(options)
	if err != nil {
		t.Fatal(err)
	}
	j.push(t, "other/repo", time.Hour, "ignored")
	j.mu.Lock()
	j.deadErr = errStore
	j.mu.Unlock()
	settings := Settings{Registry: j, Endpoints: []*Endpoint{good.Endpoint, off}}
	e := run(t, settings, nil)
	eventually(t, "all but those are settled that cannot be kept", func() bool { return j.left() == len(waiting) })
	j.mu.Lock()
	j.deadErr = nil
	j.mu.Unlock()
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	e.stop()
	kept := map[string]bool{}
	for _, d := range j.buried("dead") {
		kept[d.ID] = d.Reason == isDisabled
	}
	for _, entry := range waiting {
		if !kept[entry.ID] {
			t.Errorf("%s is not among the dead", entry.ID)
		}
	}

	later := j.push(t, "some/repo", time.Hour, "later")
	run(t, settings, func(e *Events) { e.since = time.Now().Add(-2 * time.Hour) })
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if n := len(j.buried("dead")); n != len(waiting) || !good.has(later) {
		t.Errorf("%d are among the dead, want %d", n, len(waiting))
	}
}

// TestDisabledHanded: so does what another node hands over that still had the endpoint.
func TestDisabledHanded(t *testing.T) {
	t.Parallel()
	j := &gated{counting: counting{journal: newJournal()}}
	s := newSink(t, Options{})
	off, err := NewEndpoint(Options{Name: "off", URL: "https://off.invalid", Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	relay := run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint, off}}, nil)
	eventually(t, "it delivers", func() bool { d := relay.direct.Load(); return d != nil && d.knowsAll() })
	j.gate.Lock()
	for i := range 20 {
		j.push(t, "some/repo", 0, tag(i))
	}
	j.mu.Lock()
	all := j.all(nil)
	j.mu.Unlock()
	if err := j.Hand(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	j.gate.Unlock()
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if n := len(j.buried("off")); n != 20 {
		t.Errorf("%d are among the dead, want 20", n)
	}
}
