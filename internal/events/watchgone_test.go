package events

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestMuster: an endpoint is gone when nobody has spoken of it for so long while this process heard it; its own never are.
func TestMuster(t *testing.T) {
	t.Parallel()
	all := map[string]string{"mine": "1", "other": "1"}
	for name, c := range map[string]struct {
		hear func(m *muster)
		want int
	}{
		"silent":  {func(m *muster) { every(m, 10*time.Second, 62, all) }, 1},
		"not yet": {func(m *muster) { every(m, 10*time.Second, 59, all) }, 0},
		"Redis was away": {func(m *muster) {
			every(m, 10*time.Second, 40, all)
			m.reset()
			every(m, 10*time.Second, 40, all)
		}, 0},
		"spoken of again": {func(m *muster) {
			every(m, 10*time.Second, 62, all)
			m.heard(map[string]string{"mine": "1", "other": "2"})
		}, 0},
		"Redis lost it": {func(m *muster) {
			every(m, 10*time.Second, 40, all)
			m.heard(nil)
			every(m, 10*time.Second, 40, all)
		}, 0},
		"this process was stopped": {func(m *muster) { every(m, time.Hour, 2, all) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMuster([]*Endpoint{{Options: Options{Name: "mine"}}}, &usualTimes)
				c.hear(m)
				if gone := m.gone(); len(gone) != 2*c.want || c.want > 0 && gone[0] != "other" {
					t.Errorf("gone are %v", gone)
				}
			})
		})
	}
}

// every has m hear the same n times.
func every(m *muster, interval time.Duration, n int, scores map[string]string) {
	for range n {
		<-time.After(interval)
		m.heard(scores)
	}
}
