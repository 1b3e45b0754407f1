package integration_test

import (
	"testing"
	"time"
)

// What is only there to end a test that hangs is far more than a machine that has much to do may take.
const (
	soon     = 2 * time.Minute  // for something to come about
	patience = 10 * time.Minute // for one request, which may carry a gigabyte
)

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(soon), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", soon, what)
		}
	}
}

// comes waits for what a channel gives.
func comes[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	select {
	case v := <-from:
		return v
	case <-deadline.C:
		t.Fatalf("not within %s: %s", soon, what)
		panic("not reached")
	}
}
