package server

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A timer that fires for one operation, and comes to the lock when the next one is under way, leaves that alone.
func TestALateTimerSparesTheNextOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		w := newWatch(time.Minute, func(time.Time) error { ended.Add(1); return nil })
		w.start()
		pass(time.Minute - 1)
		w.stop()
		w.start()
		w.fire() // the first one's
		if ended.Load() != 0 {
			t.Error("the next operation was ended")
		}
		pass(time.Minute)
		synctest.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("when its own time was over, it was ended %d times", n)
		}
		w.finish()
	})
}
