package events

import "testing"

// TestRecent: what waits for an endpoint that is down takes no room from what is pushed now, for which the store need not be asked.
func TestRecent(t *testing.T) {
	t.Parallel()
	e := New(Settings{Registry: newJournal(), Endpoints: []*Endpoint{newSink(t, Options{Name: "good"}).Endpoint, newSink(t, Options{Name: "dead"}).Endpoint}})
	d := newDirect(e)
	long := make([]byte, 1000)
	for i := range 2 * recentBytes / len(long) {
		d.found([]order{{id: string(tag(i)), note: long, endpoints: []string{"dead"}}})
	}
	d.hear([]order{{id: "now", note: long, endpoints: []string{"good", "dead"}}})
	picked := d.lines["good"].pick(1)
	if len(picked) != 1 || picked[0].note == nil {
		t.Fatalf("picked %d, and has the note of none", len(picked))
	}
	for _, name := range []string{"good", "dead"} {
		if d.recent.note("now") == nil {
			t.Errorf("it is not at hand for %s", name)
		}
		if err := d.lines[name].done(t.Context(), []*letter{{id: "now"}}); err != nil {
			t.Fatal(err)
		}
	}
	if d.recent.note("now") != nil {
		t.Error("it is kept though all have taken it")
	}
}

// TestRecentIsBounded: it holds what came last, never more than it may, and nothing of what is too long for all.
func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	r := newRecent()
	const size = 1000
	for i := range 2 * recentBytes / size {
		r.keep(string(tag(i)), make([]byte, size))
	}
	r.keep("too long", make([]byte, recentBytes+1))
	last := string(tag(2*recentBytes/size - 1))
	if r.bytes > recentBytes || len(r.notes) != recentBytes/size || r.note(last) == nil || r.note("t0") != nil || r.note("too long") != nil {
		t.Errorf("%d bytes are at hand, of %d notes", r.bytes, len(r.notes))
	}
	r.drop(last)
	r.drop(last)
	if r.note(last) != nil || r.order.Len() != len(r.notes) || r.bytes != len(r.notes)*size {
		t.Errorf("%d bytes are at hand, of %d notes", r.bytes, len(r.notes))
	}
}
