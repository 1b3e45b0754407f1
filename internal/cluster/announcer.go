package cluster

import (
	"context"
	"time"
)

// withdrawTime is how long a node that stops tries to take itself off the board.
const withdrawTime = 2 * time.Second

// Announcer keeps a node on a board.
type Announcer struct {
	Board  Board
	Every  time.Duration              // RedisEvery or StoreEvery
	Node   func(context.Context) Node // what to say; Seen is filled in
	Failed func(error)                // told when the node could not be announced though it could the time before
}

// Run announces the node until ctx ends, then takes it off the board.
func (a Announcer) Run(ctx context.Context) {
	tick := time.NewTicker(a.Every)
	defer tick.Stop()
	failing := false
	for {
		n := a.Node(ctx)
		n.Seen = time.Now().UTC()
		err := a.Board.Announce(ctx, n)
		if ctx.Err() == nil {
			if err != nil && !failing {
				a.Failed(err)
			}
			failing = err != nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
		defer cancel()
		if err := a.Board.Withdraw(last); err != nil && !failing {
			a.Failed(err)
		}
		return
	}
}
