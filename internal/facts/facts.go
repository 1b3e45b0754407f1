package facts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/storage"
)

// Conn is what is asked of Redis; redisconn.Conn is one. Do has fn ask it within budget, which must hold; after an error what was asked may have been
// done, or be done later. Trusted says whether an answer may be believed, and is asked before and after it: not for 1.1 s after a server was first met,
// which may be while it is asked.
type Conn interface {
	Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error
	Trusted() bool
}

// Options may be empty.
type Options struct {
	Namespace  string // what the keys in Redis begin with; the same on all nodes of a store, and unlike that of other stores
	Registerer prometheus.Registerer
	Forgetful  bool // this process reads everything from the store, and only tells others of changes
}

// times are what the protocol waits. All but patience and budget must be the same on all nodes.
type times struct {
	life     time.Duration // of a lease, and of the entry that takes its place
	margin   time.Duration // what clocks may disagree about in that time
	patience time.Duration // how long a reader waits for another that has the lease
	budget   time.Duration // of a call of Redis
}

// Facts is a storage.Facts for all processes on one Redis.
type Facts struct {
	conn      Conn
	prefix    string
	forgetful bool
	times     times
	scripts   scripts
	seen      *sightings
	metrics   *metrics
}

var _ storage.Facts = (*Facts)(nil)

// New gives the facts of a namespace. It asks nothing of Redis yet.
func New(conn Conn, opts Options) *Facts {
	return &Facts{
		conn:      conn,
		prefix:    opts.Namespace + ":fact:",
		forgetful: opts.Forgetful,
		times:     times{life: time.Second, margin: 100 * time.Millisecond, patience: 100 * time.Millisecond, budget: 50 * time.Millisecond},
		scripts:   protocol,
		seen:      newSightings(),
		metrics:   newMetrics(opts.Registerer),
	}
}

// Fetch is part of storage.Facts. With Redis away it may take 1.1 s longer than read, if the version is new to this process.
func (f *Facts) Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error) {
	if f.forgetful {
		fact, err := read(ctx)
		return fact.Value, err
	}
	found, away := f.find(ctx, key)
	if err := ctx.Err(); away != nil && err != nil {
		return nil, err
	}
	if found.hit && found.trusted {
		f.seen.settle(key, found.fact.Version)
		count(found.waited, f.metrics.waited, f.metrics.hit)
		return found.fact.Value, nil
	}
	count(found.hit || away != nil, f.metrics.away, f.metrics.miss)

	fact, err := read(ctx)
	ended := time.Now()
	if err != nil {
		if found.own {
			_, _ = f.run(ctx, f.scripts.drop, key, found.lease) // else it dies by itself
		}
		return nil, err
	}
	if away != nil && f.seen.settled(key, fact.Version) {
		return fact.Value, nil
	}
	if err := f.remember(ctx, key, found.lease, fact); err == nil {
		f.seen.settle(key, fact.Version)
		return fact.Value, nil
	}
	if fact.Version == "" {
		return fact.Value, nil
	}
	if err := waitUntil(ctx, f.seen.due(key, fact.Version, ended.Add(f.times.life+f.times.margin))); err != nil {
		return nil, err
	}
	return fact.Value, nil
}

// remember makes sure that nothing older than fact is found any more: afterwards either it stands itself, or nothing does that was read before. It goes
// on when the caller of Fetch is gone, for the sake of those who wait for the lease.
func (f *Facts) remember(ctx context.Context, key, lease string, fact storage.Fact) error {
	entry, ok := encode(fact)
	if !ok {
		return f.empty(ctx, key)
	}
	_, err := f.run(ctx, f.scripts.fill, key, lease, entry)
	return err
}

// Changed is part of storage.Facts. It takes at most 1.1 s.
func (f *Facts) Changed(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	outlived := time.Now().Add(f.times.life + f.times.margin)
	if f.tell(ctx, outlived, keys) && f.conn.Trusted() { // a server that has just taken over may not be the one that others ask
		f.metrics.told.Inc()
		return nil
	}
	f.metrics.outlived.Inc()
	return waitUntil(ctx, outlived)
}

// atOnce is how many keys are emptied in one call: the tags of a manifest may be more than a call has time for.
const atOnce = 256

// tell empties all keys, and says whether that was done before outlived.
func (f *Facts) tell(ctx context.Context, outlived time.Time, keys []string) bool {
	for some := range slices.Chunk(keys, atOnce) {
		if err := f.empty(ctx, some...); err != nil || !time.Now().Before(outlived) {
			return false
		}
	}
	return true
}

// empty deletes what stands at keys, whether or not somebody still waits for it. In a Cluster they may be in different places: each has a DEL of its own.
func (f *Facts) empty(ctx context.Context, keys ...string) error {
	err := f.conn.Do(context.WithoutCancel(ctx), f.times.budget, func(ctx context.Context, client redis.UniversalClient) error {
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range keys {
				pipe.Del(ctx, f.prefix+key)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("emptying %d facts: %w", len(keys), err)
	}
	return nil
}

// run has Redis carry out a script, also when ctx has ended, and gives its answer; nil for none.
func (f *Facts) run(ctx context.Context, script *redis.Script, key string, args ...any) (any, error) {
	var answer any // not to be looked at after an error: fn may still be running
	err := f.conn.Do(context.WithoutCancel(ctx), f.times.budget, func(ctx context.Context, client redis.UniversalClient) (err error) {
		if answer, err = script.Run(ctx, client, []string{f.prefix + key}, args...).Result(); errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("asking Redis for a fact: %w", err)
	}
	return answer, nil
}

// waitUntil gives ctx's error if that ends first.
func waitUntil(ctx context.Context, then time.Time) error {
	left := time.Until(then)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func count(which bool, yes, no prometheus.Counter) {
	if which {
		yes.Inc()
	} else {
		no.Inc()
	}
}
