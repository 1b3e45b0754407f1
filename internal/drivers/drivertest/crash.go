package drivertest

import (
	"fmt"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// EachCrash runs act on a store of its own again and again. Each time the process dies at another call that act makes of the driver: at the
// first, at the second, and so on, with that call not applied or not answered. Then check looks at what it left behind, through a driver that
// works; at is the call it died in. What act returns errors for is its own affair, and the last run, in which nobody dies, is checked with the zero Call.
//
//	drivertest.EachCrash(t, open, func(t *testing.T, d drivers.Driver) { push(d) }, func(t *testing.T, d drivers.Driver, at drivertest.Call) { fsck(t, d) })
func EachCrash(t *testing.T, open func(t *testing.T) drivers.Driver, act func(t *testing.T, d drivers.Driver), check func(t *testing.T, d drivers.Driver, at Call)) {
	t.Helper()
	for n, over := 1, false; !over; n++ {
		for _, o := range []Outcome{NotApplied, Unanswered} {
			t.Run(fmt.Sprintf("call %d %s", n, o), func(t *testing.T) {
				d := open(t)
				f := NewFaulty(d, nil)
				f.CrashAt(n, o)
				act(t, f)
				at, crashed := f.Crashed()
				over = !crashed
				check(t, d, at)
			})
			if over || t.Failed() {
				return
			}
		}
	}
}
