// Package drivertest is the driver contract as something that runs: [Run] holds a driver against every promise that package drivers makes, with
// faults. For tests of what is built on a driver it has [Fake], a store in memory that complains when it is used wrongly, and
// [Faulty], which makes any driver fail, stall or die at a chosen call.
package drivertest

import (
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// Harness is a driver under test and the ways to disturb it. Each test has one of its own, with an empty store.
type Harness struct {
	Driver drivers.Driver

	// Reopen gives the store as another process finds it, after the one before has ended. The driver given before is not used any more.
	Reopen func(t *testing.T) drivers.Driver

	// Direct is for a store over a network: an upload may be an object at its key before its Commit, and stay after an Abort; what was superseded may
	// stay; the Sessions of one large upload end with the first Commit; a Watcher is told of what is durable; and a single fault is dealt with by trying
	// again.
	Direct bool

	// Inject arms one fault inside the driver. The function it gives disarms it, and says whether it happened.
	Inject func(Fault) (disarm func() (happened bool))
}

// Fault is a failure of one of the driver's own steps: a system call, a request over the network. The driver is to answer with an error that
// wraps ErrUnavailable, or to deal with it and succeed.
type Fault struct {
	Step    int // which of the steps from now on fails; the first is 1
	Outcome Outcome
}

// Run holds the driver that open gives against the contract. Tests run in parallel, each with a harness of its own.
func Run(t *testing.T, open func(t *testing.T) *Harness) {
	run(t, open, []group{
		{"keys", keyTests},
		{"objects", objectTests},
		{"conditions", conditionTests},
		{"list", listTests},
		{"uploads", uploadTests},
		{"forks", forkTests},
		{"cancel", cancelTests},
		{"faults", faultTests},
	})
}

type group struct {
	name  string
	tests []test
}

type test struct {
	name string
	run  func(k *kit)
}

func run(t *testing.T, open func(t *testing.T) *Harness, groups []group) {
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					h := open(t)
					c.run(&kit{T: t, h: h, d: h.Driver})
				})
			}
		})
	}
}
