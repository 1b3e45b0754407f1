package events

import (
	"context"
	"errors"
	"time"
)

// queue is where a lane has its letters from. take and done are for one goroutine each.
type queue interface {
	// take gives up to n letters that are to be delivered now, and that are nobody else's for a while.
	take(ctx context.Context, n int) ([]*letter, error)
	// done says that the endpoint has taken them, or that they are among the dead. It can be done again.
	done(ctx context.Context, letters []*letter) error
	// later puts the letter off, to be taken again by anybody after that time, and counts an attempt if one has failed. The caller has it no more, also when
	// this fails.
	later(ctx context.Context, m *letter, after time.Duration, failed bool) error
	// tried counts an attempt at a letter that stays with the caller.
	tried(ctx context.Context, m *letter) error
	// keep says that these are still worked on; release, that they are not, and that others may take them at once.
	keep(ctx context.Context, letters []*letter) error
	release(ctx context.Context, letters []*letter) error
}

var (
	// errNotOurs: another node sends to this ordered endpoint.
	errNotOurs = errors.New("another node sends to this endpoint")
	// errAnew: this node sends to an ordered endpoint from now on. What it had before is void.
	errAnew = errors.New("this node sends to the endpoint from now on")
	// errLapsed: for so long was it not certain that this node is the one to send to an ordered endpoint, that another may be. What it has is void.
	errLapsed = errors.New("another node may send to this endpoint")
)
