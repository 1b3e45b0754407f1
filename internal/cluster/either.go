package cluster

import (
	"context"
	"errors"
)

// Either is a board that most nodes can reach, and another for when they cannot: a Redis that is away is when people look.
type Either struct {
	First, Second Board
	second        bool // the last announcement went there
}

// Announce tries the second board when the first one fails.
func (b *Either) Announce(ctx context.Context, n Node) error {
	err := b.First.Announce(ctx, n)
	if err == nil {
		if b.second {
			b.second = b.Second.Withdraw(ctx) != nil
		}
		return nil
	}
	b.second = true // it may have arrived, whatever it says
	if second := b.Second.Announce(ctx, n); second != nil {
		return errors.Join(err, second)
	}
	return nil
}

// Withdraw withdraws from both. Only the board that was announced on last has to answer; the other one forgets by itself.
func (b *Either) Withdraw(ctx context.Context) error {
	first, second := b.First.Withdraw(ctx), b.Second.Withdraw(ctx)
	if b.second {
		return second
	}
	return first
}

// Nodes gives those on either board, each as it was seen last. It fails if neither answers.
func (b *Either) Nodes(ctx context.Context) ([]Node, error) {
	first, err := b.First.Nodes(ctx)
	second, err2 := b.Second.Nodes(ctx)
	if err != nil && err2 != nil {
		return nil, errors.Join(err, err2)
	}
	latest := map[string]Node{}
	for _, n := range append(first, second...) {
		if known, ok := latest[n.Instance]; !ok || known.Seen.Before(n.Seen) {
			latest[n.Instance] = n
		}
	}
	nodes := make([]Node, 0, len(latest))
	for _, n := range latest {
		nodes = append(nodes, n)
	}
	return nodes, nil
}
