package uploadtoken

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"
)

// MaxPoint bounds the state of a point that Redis keeps, in bytes. It is larger than that of a token, so that a point between two checkpoints fits.
const MaxPoint = 64<<10 - 1

var points = purpose{labelPoint, MaxPoint}

// conn is what is needed of redisconn.Conn.
type conn interface {
	Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error
}

// RedisOptions are what can be chosen of the Redis provider.
type RedisOptions struct {
	Namespace string // what keys begin with
	Instance  string // of this node: part of the name of its claims, for people who look into Redis
}

// Redis is the Provider of nodes that tell each other through Redis how far an upload has come and who is at it.
type Redis struct {
	*HMAC
	conn  conn
	opts  RedisOptions
	times times
}

var _ Provider = (*Redis)(nil)

// NewRedis makes a provider whose tokens are those of h.
func NewRedis(h *HMAC, conn conn, opts RedisOptions) *Redis {
	return &Redis{HMAC: h, conn: conn, opts: opts, times: usualTimes}
}

// Open gives the newest point that the token or Redis has. Its only error is ErrUnknown.
func (r *Redis) Open(ctx context.Context, repository, token string) (Upload, error) {
	up, err := r.HMAC.Open(ctx, repository, token)
	if err != nil {
		return up, err
	}
	answer, err := r.run(ctx, lookScript, up, askBudget, r.times.staleAfter.Milliseconds())
	if err != nil {
		return up, nil
	}
	if end := text(answer, 0); end != "" {
		return Upload{}, ErrUnknown
	}
	known, ok := r.point(up, text(answer, 2))
	if !ok || known.before(up) {
		return up, nil
	}
	if up.before(known) {
		up = known
	}
	up.Abandoned = number(answer, 1) == 1
	up.Current = !up.Abandoned
	return up, nil
}

// Claim waits while it is not known whether another request that has the upload is alive: for its next renewal, or until it has had none for too long. If
// Redis does not answer, the claim is one that is not told to anybody yet.
func (r *Redis) Claim(ctx context.Context, repository, token string, closing bool) (Claim, error) {
	up, err := r.HMAC.Open(ctx, repository, token)
	if err != nil {
		return nil, err
	}
	c := &claim{provider: r, name: r.opts.Instance + "/" + rand.Text(), at: up, newest: up, lost: make(chan struct{}), wake: make(chan struct{}, 1)}
	seen := ""
	limit, pause, last := time.NewTimer(r.times.staleAfter+watchEvery), watchEvery/16, false
	defer limit.Stop()
	for {
		asked := time.Now()
		dead := ""
		if last {
			dead = seen
		}
		answer, err := r.run(ctx, claimScript, up, askBudget, c.name, r.life(up), r.times.staleAfter.Milliseconds(), flag(closing), dead)
		if err != nil {
			c.based = false // if it was given all the same, nobody knows whether it was that of a request that died
		}
		switch {
		case err != nil && ctx.Err() != nil:
			c.start(time.Time{})
			c.Release(ctx, up, false) // it may have been given
			return nil, ctx.Err()
		case err != nil:
			c.start(time.Time{})
			return c, nil
		case text(answer, 0) == isCancelled, text(answer, 0) == isClosed:
			return nil, ErrUnknown
		}
		if known, ok := r.point(up, text(answer, 1)); ok {
			c.based = true
			if !known.before(up) {
				c.newest = known
			}
		}
		c.newest.Abandoned = number(answer, 2) == 1
		if text(answer, 0) == isTaken {
			c.start(asked)
			return c, nil
		}
		holder := text(answer, 3)
		if last || seen != "" && holder != seen {
			return unclaimed{c.newest}, ErrBusy
		}
		seen = holder
		select {
		case <-time.After(pause):
			pause = min(2*pause, watchEvery)
		case <-limit.C:
			last = true // it may have become stale since it was looked at
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Cancel tells all nodes. If Redis does not answer, they learn it from the store.
func (r *Redis) Cancel(ctx context.Context, up Upload) {
	_, _ = r.run(context.WithoutCancel(ctx), cancelScript, up, askBudget, "", r.life(up))
}

// run asks Redis about an upload. One word is a list of one.
func (r *Redis) run(ctx context.Context, script *redis.Script, up Upload, budget time.Duration, args ...any) ([]any, error) {
	keys := []string{r.opts.Namespace + ":upload:" + up.ID}
	var answer []any
	err := r.conn.Do(ctx, budget, func(ctx context.Context, client redis.UniversalClient) error {
		got, err := script.Run(ctx, client, keys, args...).Result()
		if err != nil {
			return err
		}
		list, ok := got.([]any)
		if !ok {
			list = []any{got}
		}
		answer = list
		return nil
	})
	if err != nil {
		return nil, err // what was asked may still be under way, and answer with it
	}
	return answer, nil
}

// point opens what Redis keeps of an upload. What does not open is as good as nothing: a key may have been taken out of use.
func (r *Redis) point(up Upload, sealed string) (Upload, bool) {
	if sealed == "" {
		return Upload{}, false
	}
	known, err := r.unseal(points, up.Repository, []byte(sealed))
	return known, err == nil && known.ID == up.ID
}

// life is how long the record of an upload stands, in milliseconds.
func (r *Redis) life(up Upload) int64 { return max(up.Expires.Sub(r.clock()).Milliseconds(), 1) }

// before says whether u is an older point than v of the same upload.
func (u Upload) before(v Upload) bool {
	return u.Seq < v.Seq || u.Seq == v.Seq && u.Offset < v.Offset
}

func (u Upload) same(v Upload) bool { return u.Seq == v.Seq && u.Offset == v.Offset }

func text(answer []any, i int) string {
	if i >= len(answer) {
		return ""
	}
	s, _ := answer[i].(string)
	return s
}

func number(answer []any, i int) int64 {
	if i >= len(answer) {
		return 0
	}
	n, _ := answer[i].(int64)
	return n
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
