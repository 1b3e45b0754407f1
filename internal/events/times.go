package events

import "time"

// times are how long things take. Tests change them.
type times struct {
	budget time.Duration // of a call of Redis, which no client waits for
	poll   time.Duration // until a node that has nothing to do looks again; what comes in through it is seen at once
	drain  time.Duration // for deliveries under way, when the node stops
	census time.Duration // between two counts of what waits; also how often a node says which endpoints it has

	// A message that nobody has cared for this long is given to another node. Whoever has it says so every refresh.
	stale, refresh time.Duration
	// The lease of an ordered endpoint is renewed with every poll. Who cannot for two thirds of it stops, before the relay begins to deliver by itself.
	lease time.Duration

	// The relay. A lease of the store is renewed three times in its time: with 30 s that is 8,640 requests a day, and as many for each other node, to see
	// whether it is free.
	relayLease, relayRetry time.Duration
	untold                 time.Duration // how old an entry is before the relay asks whether Redis knows of it
	betweenWalks           time.Duration // of the journal, with Redis: 5 s are 17,280 LISTs a day
	betweenPages           time.Duration // of 1,000 entries: 1.5 s are 57,600 LISTs a day at most, while much waits
	away                   time.Duration // how long Redis is away before the relay leaves the lease to others, and then, if it must, delivers by itself
	directWalk             time.Duration // without Redis: 2 s are 43,200 LISTs a day, a quarter while nothing comes, twice as many while other nodes push or more than a page waits
	hand                   time.Duration // without Redis: how often a node hands over what it was told of, one request if there is something
	gone                   time.Duration // for how long no node has an endpoint, before what waits for it goes among the dead
	idle                   time.Duration // since when a consumer that has nothing was not heard of, before it is removed
}

// yield is how long a relay that Redis is away from leaves the lease to others: so long that each of them has asked for it.
func (t *times) yield() time.Duration { return t.relayRetry * 3 / 2 }

// idleWalk is between walks while all that comes is told of: 8 s. bareWalk, without endpoints, when there is nothing but to settle what other nodes left: 1
// min, or so with Redis.
func (t *times) idleWalk() time.Duration { return 4 * t.directWalk }
func (t *times) bareWalk() time.Duration { return 30 * t.directWalk }

// handed is how old an entry is when its node has handed it over and a walk has come since, unless it never will be.
func (t *times) handed() time.Duration { return t.hand + t.directWalk }

// rest is until an entry is looked at again with which nothing can be done: minutes.
func (t *times) rest() time.Duration { return t.gone / 4 }

var usualTimes = times{
	budget: 500 * time.Millisecond,
	poll:   500 * time.Millisecond,
	drain:  5 * time.Second,
	census: 10 * time.Second,

	stale:   45 * time.Second,
	refresh: 10 * time.Second,
	lease:   7 * time.Second,

	relayLease:   30 * time.Second,
	relayRetry:   10 * time.Second,
	untold:       10 * time.Second,
	betweenWalks: 5 * time.Second,
	betweenPages: 1500 * time.Millisecond,
	away:         5 * time.Second,
	directWalk:   2 * time.Second,
	hand:         time.Second,
	gone:         10 * time.Minute,
	idle:         time.Hour,
}
