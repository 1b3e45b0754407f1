package events

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/registryd/registryd/internal/storage"
)

// senseless is a journal with entries of which nothing can be made, or that the store does not give.
type senseless struct {
	*journal
	errs map[string]error
}

func (s *senseless) Entry(ctx context.Context, id string) (*storage.Entry, error) {
	if err := s.errs[id]; err != nil {
		return nil, err
	}
	return s.journal.Entry(ctx, id)
}

var errSenseless = &storage.UnreadableError{Content: []byte(`{"v":2}`), Err: errors.New("it has format version 2")}

// TestHopeless: an entry of which nothing can be made goes among the dead as it stands, after a time in which another node might have been given it; one that
// the store does not give waits. Both are logged, once in a minute at most.
func TestHopeless(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			j := &senseless{newJournal(), map[string]error{}}
			endpoint, err := NewEndpoint(Options{Name: "one", URL: "https://one.invalid", Ordered: ordered})
			if err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.WarnLevel)
			tt := usualTimes
			o := newOpener(newOutlet(endpoint, nil, zap.New(core)), j, &tt)
			all := []unread{{id: "senseless"}, {id: "senseless too"}}
			j.errs["senseless"], j.errs["senseless too"] = errSenseless, errSenseless
			for range 60 { // ten minutes
				if letters, _, _ := o.open(t.Context(), all); len(letters) > 0 {
					t.Fatal("it is given up on too soon")
				}
				<-time.After(tt.gone / 60)
			}
			if n := logs.Len(); n < 2 || n > 11 {
				t.Errorf("%d lines were logged in ten minutes", n)
			}
			<-time.After(time.Second)
			letters, _, left := o.open(t.Context(), all)
			if len(letters) != 2 || len(left) != 0 || string(letters[0].broken) != `{"v":2}` || letters[0].reason != errSenseless.Error() {
				t.Errorf("letters are %+v, %d are left", letters, len(left))
			}

			logs.TakeAll()
			j.errs["away"] = errStore
			for range 120 {
				if letters, _, _ := o.open(t.Context(), []unread{{id: "away"}}); len(letters) > 0 {
					t.Fatal("it is given up on, though it may be read yet")
				}
				<-time.After(tt.gone / 60)
			}
			if n := logs.Len(); n < 1 || n > 20 {
				t.Errorf("%d lines were logged in twenty minutes", n)
			}
			delete(j.errs, "away")
			if letters, _, _ := o.open(t.Context(), []unread{{id: "away"}}); len(letters) != 1 || letters[0].broken != nil || len(o.unopened) != 2 {
				t.Error("it is not opened, or not forgotten that it was not")
			}
		})
	}
}

// TestSenseless: such an entry holds an ordered endpoint up for a while, not for ever, and stands among the dead then, byte by byte.
func TestSenseless(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		j := &senseless{newJournal(), map[string]error{}}
		s := newSink(t, Options{Ordered: ordered})
		e := New(Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}})
		e.times = quick
		e.times.gone = 300 * time.Millisecond
		var entries []storage.Entry
		for i := range 4 {
			entries = append(entries, j.push(t, "some/repo", 0, tag(i)))
		}
		j.errs[entries[1].ID] = errSenseless
		directly(t, e)(entries...)
		eventually(t, "all is settled", func() bool { return j.left() == 0 })
		if dead := j.buried("one"); len(dead) != 1 || dead[0].ID != entries[1].ID || string(dead[0].Note) != `{"v":2}` || dead[0].Reason != errSenseless.Error() {
			t.Errorf("dead are %+v", dead)
		}
		if !s.has(slices.Delete(slices.Clone(entries), 1, 2)...) {
			t.Error("the others did not arrive")
		}
	}
}
