// Package redisconn is the way to Redis, which makes registryd faster and which nothing depends on. It keeps Redis from ever making anything slower: each
// call has a budget that holds, and after a few that failed no more are tried until Redis answers again.
package redisconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/zap"
)

// ErrAway: Redis cannot be asked at the moment, or did not answer within the budget. What was asked may have been done.
var ErrAway = errors.New("redis is away")

// slack is what a call may take beyond its budget before it is left behind, should the client library not notice that its time is over.
const slack = 25 * time.Millisecond

// Conn is what a process has of one Redis: a single server, one behind Sentinels, or a Cluster. Safe for concurrent use.
type Conn struct {
	client  redis.UniversalClient
	log     *zap.Logger
	metrics *figures
	servers *servers
	breaker breaker
	probing time.Duration // what a probe may take

	closed   atomic.Bool        // nothing is asked or logged any more
	close    context.CancelFunc // ends watch
	watching chan struct{}      // closed when watch has ended
	once     sync.Once
	closeErr error
}

// Options are what a Conn tells of itself. Both may be nil.
type Options struct {
	Registerer prometheus.Registerer
	Log        *zap.Logger // one line when Redis goes away, one when it comes back

	probing time.Duration // what a probe may take; probeTimeout if 0. Tests have it longer, lest a busy machine looks like a broken Redis.
}

// silence keeps the client library from writing to standard error: what it has to say comes out of calls as their errors.
var silence = sync.OnceFunc(logging.Disable)

// New makes a Conn of a client that has not been used yet. It takes over its OnConnect, has it heed contexts and not try twice, and closes it. Open is for
// what is configured.
func New(client redis.UniversalClient, opts Options) *Conn {
	s := &servers{}
	switch client := client.(type) {
	case *redis.Client:
		o := client.Options()
		o.OnConnect, o.ContextTimeoutEnabled, o.MaxRetries = s.meet, true, 0
	case *redis.ClusterClient:
		o := client.Options()
		o.OnConnect, o.ContextTimeoutEnabled, o.DisableRoutingPolicies = s.meet, true, true
	}
	return newConn(client, s, opts)
}

// newConn begins to watch over client, whose OnConnect is s.meet.
func newConn(client redis.UniversalClient, s *servers, opts Options) *Conn {
	silence()
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{client: client, log: opts.Log, servers: s, close: cancel, watching: make(chan struct{}), probing: cmp.Or(opts.probing, probeTimeout)}
	c.breaker.wake = make(chan struct{}, 1)
	if c.log == nil {
		c.log = zap.NewNop()
	}
	c.metrics = newFigures(opts.Registerer, c.Up)
	go c.watch(ctx)
	return c
}

// Do has fn ask Redis, within budget. Any failure of Redis or of the way to it is ErrAway, wrapped; that of ctx comes as it is, and so do redis.Nil and
// errors that are answers, such as WRONGTYPE. Any other error of fn counts as a failure of the way. fn is not called while Redis is known to be away.
//
// fn gets a context that ends with the budget. It runs in a goroutine of its own, and if it does not heed that context, it is still running when Do
// has returned ErrAway: what it writes is to be looked at only if Do gave nil.
func (c *Conn) Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.closed.Load() || c.breaker.open.Load() {
		c.metrics.refused()
		return ErrAway
	}
	start := time.Now()
	err := c.ask(ctx, budget, fn)
	what := judge(ctx, err)
	c.metrics.asked(what, time.Since(start))
	switch what {
	case canceled:
		return ctx.Err()
	case away:
		c.failed(err, budget)
		// The cause is told and not wrapped: its deadline is not the caller's.
		return fmt.Errorf("%w: %v", ErrAway, err)
	}
	c.breaker.succeeded()
	return err
}

// errLate is a call that went on after its context had ended.
var errLate = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// ask runs fn within budget, whether or not fn keeps to it.
func (c *Conn) ask(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	type outcome struct {
		err   error
		panic any
	}
	done := make(chan outcome, 1)
	go func() {
		o := outcome{err: errLate}
		defer func() {
			o.panic = recover() // it is the caller's, as if fn had run in its goroutine
			done <- o
		}()
		o.err = fn(ctx, c.client)
	}()
	finish := func(o outcome) error {
		if o.panic != nil {
			panic(o.panic)
		}
		return o.err
	}
	select {
	case o := <-done:
		return finish(o)
	case <-ctx.Done():
	}
	late := time.NewTimer(slack)
	defer late.Stop()
	select {
	case o := <-done:
		return finish(o)
	case <-late.C:
		return errLate
	}
}

// Trusted says whether what Redis remembered for a short while may be believed. It is false for a moment after a server was first met: one that took
// over from another, or came back, may have lost what it was told last. To be asked after the answer is there, within a second of having asked;
// TrustedSince has no such limit.
func (c *Conn) Trusted() bool { return c.TrustedSince(time.Now()) }

// TrustedSince says whether an answer may be believed that was asked for at start and is there: whether Trusted has held all the time since.
func (c *Conn) TrustedSince(start time.Time) bool {
	return c.Up() && c.servers.knownSince(start)
}

// Up says whether Redis answers, as far as is known.
func (c *Conn) Up() bool { return !c.breaker.open.Load() }

// Health asks Redis now, whatever is known of it, and says in one sentence what is wrong. For people.
func (c *Conn) Health(ctx context.Context) error {
	if err := c.ask(ctx, time.Second, probe); err != nil {
		return errors.New(advice(err))
	}
	return nil
}

// Close ends all connections, and everything that runs for c. From then on Do gives ErrAway, and nothing is logged: Redis has not gone away, we have.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.closed.Store(true)
		c.close()
		<-c.watching
		c.closeErr = c.client.Close()
		c.metrics.unregister()
	})
	return c.closeErr
}

// breaker knows whether Redis is away. After patience failures in a row it opens; watch closes it.
type breaker struct {
	open     atomic.Bool
	failures atomic.Int32 // in a row
	wake     chan struct{}

	mu     sync.Mutex
	since  time.Time     // when it opened
	within time.Duration // how fast Redis has to be to close it: the budget that it exceeded; 0 if it did not fail by being slow
}

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}
