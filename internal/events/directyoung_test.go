package events

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLeftAlone: what is young and not handed over is left alone once, and for an ordered endpoint what is behind it as well; all else is ruled on at once.
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, leftAlone) // or what is young would not be so for long
}

func leftAlone(t *testing.T) {
	old, first, second, third := newID(time.Now().Add(-time.Hour)), newID(time.Now()), newID(time.Now()), newID(time.Now().Add(time.Hour))
	all := []string{old, first, second, third}
	for name, c := range map[string]struct {
		ordered, beginning bool
		known              []string
		now                []string // chosen in the first round; all are in the second
	}{
		"nothing is known":              {false, false, nil, []string{old}},
		"all is known":                  {false, false, all, all},
		"what is behind it is known":    {false, false, []string{second, third}, []string{old, second, third}},
		"in order, nothing is known":    {true, false, nil, []string{old}},
		"in order, all is known":        {true, false, all, all},
		"in order, the first is known":  {true, false, []string{first}, []string{old, first}},
		"in order, the second is known": {true, false, []string{second}, []string{old}},
		"the first walk":                {false, true, nil, all},
	} {
		one, err := NewEndpoint(Options{Name: "one", URL: "https://events.example.com", Ordered: c.ordered})
		if err != nil {
			t.Fatal(err)
		}
		e := New(Settings{Registry: newJournal(), Endpoints: []*Endpoint{one}})
		d, w := newDirect(e), newWatch(e.Registry, &e.times, e.Endpoints)
		d.complete = !c.beginning
		for _, id := range c.known {
			d.hint(order{id: id, endpoints: []string{"one"}})
		}
		if got := e.choose(t.Context(), w, d, d.begin(), all); !slices.Equal(got, c.now) {
			t.Errorf("%s: %d are ruled on, want %d", name, len(got), len(c.now))
		}
		if got := e.choose(t.Context(), w, d, d.begin(), all); !slices.Equal(got, all) {
			t.Errorf("%s: in the second round %d are ruled on, want all", name, len(got))
		}
	}
}
