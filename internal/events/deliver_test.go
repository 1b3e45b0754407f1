package events

import (
	"net/http"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// TestFailsAlone: when a refused batch is sent one by one and one of them fails, that is no attempt for those behind it.
func TestFailsAlone(t *testing.T) {
	t.Parallel()
	j := newJournal()
	s := newSink(t, Options{Batch: 10, MaxAttempts: 1})
	s.answers(func(events []Event) int {
		switch {
		case len(events) > 1:
			return http.StatusBadRequest
		case events[0].Target.Tag == tag(1):
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	var entries []storage.Entry
	for i := range 10 {
		entries = append(entries, j.push(t, "some/repo", time.Hour, tag(i)))
	}
	run(t, Settings{Registry: j, Endpoints: []*Endpoint{s.Endpoint}}, nil)
	eventually(t, "all is settled", func() bool { return j.left() == 0 })
	if dead := j.buried("one"); len(dead) != 1 || dead[0].ID != entries[1].ID {
		t.Errorf("%d are dead, want the one that failed: %+v", len(dead), dead)
	}
	if n, _ := s.took(); n != 9 {
		t.Errorf("%d events arrived, want 9", n)
	}
}
