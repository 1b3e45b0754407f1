package events

import (
	"sync"
	"time"
)

// circuit keeps attempts away from an endpoint that is down: after threshold failures in a row none is made for a pause, then a single one to see, and so
// on until one succeeds. That is what CNCF Distribution's threshold and backoff mean. An endpoint that asks for time (Retry-After) is paused at once.
// Safe for concurrent use.
type circuit struct {
	threshold int
	pause     time.Duration

	mu       sync.Mutex
	failures int // in a row
	tripped  bool
	probing  bool      // the single attempt is under way
	until    time.Time // no attempt before
}

// probeWait is when to ask again while another attempt finds out how things are. It is short, since the answer may come any time.
const probeWait = 100 * time.Millisecond

// attempt is one that circuit has allowed. Exactly one of its methods is called once.
type attempt struct {
	*circuit
	probe bool
}

// begin allows an attempt, or says how long to wait before asking again.
func (c *circuit) begin() (*attempt, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.wait(); wait > 0 {
		return nil, wait
	}
	c.probing = c.tripped
	return &attempt{c, c.tripped}, 0
}

func (c *circuit) wait() time.Duration {
	if wait := time.Until(c.until); wait > 0 {
		return wait
	}
	if c.probing {
		return probeWait
	}
	return 0
}

// paused is how long to wait before asking for an attempt; 0 if one would be allowed now.
func (c *circuit) paused() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait()
}

// succeeded ends the trouble. A pause that runs goes on to its end: the attempt may have begun before it.
func (a *attempt) succeeded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures, a.tripped, a.probing = 0, false, false
}

func (a *attempt) failed(retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures++
	pause := retryAfter
	if a.failures >= a.threshold {
		pause = max(pause, a.pause)
	}
	if pause > 0 {
		a.tripped = true
		if until := time.Now().Add(pause); until.After(a.until) {
			a.until = until
		}
	}
	a.end()
}

// abandoned is for an attempt that the node itself broke off: it says nothing of the endpoint.
func (a *attempt) abandoned() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end()
}

func (a *attempt) end() {
	if a.probe {
		a.probing = false
	}
}
