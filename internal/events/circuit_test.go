package events

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCircuit walks an endpoint through its bad times.
func TestCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &circuit{threshold: 3, pause: time.Minute}
		must := func() *attempt {
			t.Helper()
			a, wait := c.begin()
			if a == nil {
				t.Fatalf("no attempt for %s", wait)
			}
			return a
		}
		mustWait := func(want time.Duration) {
			t.Helper()
			if a, wait := c.begin(); a != nil || wait != want || c.paused() != want {
				t.Fatalf("attempt %v, wait %s, paused for %s; want to wait %s", a, wait, c.paused(), want)
			}
		}

		// Failures in a row count, others do not.
		must().failed(0)
		must().failed(0)
		must().succeeded()
		must().failed(0)
		must().failed(0)
		late, later := must(), must() // under way all the time
		must().failed(0)
		mustWait(time.Minute)

		// A single attempt after the pause, and again.
		<-time.After(59 * time.Second)
		mustWait(time.Second)
		<-time.After(time.Second)
		probe := must()
		mustWait(probeWait)
		probe.failed(0)
		mustWait(time.Minute)
		<-time.After(time.Minute)

		// One that this node broke off says nothing: another may try.
		must().abandoned()
		probe = must()
		mustWait(probeWait)
		probe.succeeded()
		must().failed(0) // and this is the first in a row again
		must().succeeded()

		// The endpoint asks for time. An attempt that began before does not shorten it.
		must().failed(10 * time.Minute)
		mustWait(10 * time.Minute)
		late.succeeded()
		mustWait(10 * time.Minute)
		later.failed(time.Minute)
		mustWait(10 * time.Minute)
		<-time.After(10 * time.Minute)
		probe = must()
		mustWait(probeWait)
		probe.succeeded()
		if c.paused() != 0 {
			t.Errorf("paused for %s after all is well", c.paused())
		}
	})
}
