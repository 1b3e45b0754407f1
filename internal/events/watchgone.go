package events

import (
	"slices"
	"sync"
	"time"
)

// muster knows which endpoints no node has any more. Nodes say in Redis which they have, with the time; that it stays the same shows that nobody says so, and
// for how long is measured here, by this process's own clock, and only while Redis answers. So neither a Redis that was away, nor a cluster that was stopped,
// makes an endpoint seem to be gone. It begins anew with each relay. For one goroutine, but for own.
type muster struct {
	own   []*Endpoint // of this node, which are never gone
	after time.Duration

	mu     sync.Mutex
	last   time.Time // when it was last called; zero if Redis may have been away since
	silent map[string]*silence
}

// silence is that nobody speaks of an endpoint.
type silence struct {
	score string        // what Redis says of it, which changes when a node has it
	for_  time.Duration // that it has not changed
	said  bool          // whether that was logged
}
