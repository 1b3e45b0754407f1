//go:build stores

package facts

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// cutOff takes the way to Redis away, for a while now and then, in all ways that there are.
func cutOff(ctx context.Context, c *conn) {
	for ctx.Err() == nil {
		_ = waitUntil(ctx, time.Now().Add(rand.N(100*time.Millisecond)))
		fate := dropped + rand.N(3)
		c.meets(func(int64) int { return fate })
		_ = waitUntil(ctx, time.Now().Add(rand.N(100*time.Millisecond)))
		c.meets(nil)
		_ = waitUntil(ctx, time.Now().Add(rand.N(50*time.Millisecond)))
		c.arrives()
	}
}

// trouble flushes Redis, or has it forget what it was told last, as a server does that takes over from another.
func (p plan) trouble(ctx context.Context, t *testing.T, client redis.UniversalClient, nodes []*node, keys []string) {
	for {
		if waitUntil(ctx, time.Now().Add(rand.N(100*time.Millisecond))) != nil {
			return
		}
		if rand.N(3) == 0 {
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			continue
		}
		was, err := remembered.Run(t.Context(), client, keys).Slice()
		if err != nil {
			t.Error(err)
		}
		if waitUntil(ctx, time.Now().Add(rand.N(60*time.Millisecond))) != nil {
			return
		}
		for _, n := range nodes {
			n.conn.distrust.Store(!p.believe)
		}
		if err := restored.Run(t.Context(), client, keys, was...).Err(); err != nil {
			t.Error(err)
		}
		if p.believe {
			continue
		}
		if waitUntil(ctx, time.Now().Add(fast.life+fast.margin)) != nil {
			return
		}
		for _, n := range nodes {
			n.conn.distrust.Store(false)
		}
	}
}

func keysOfRecords(prefix string) (keys []string) {
	for i := range records {
		keys = append(keys, prefix+strconv.Itoa(i))
	}
	return keys
}

// remembered gives what stands at keys, and when each dies; restored puts that there again.
var (
	remembered = redis.NewScript(`
local all = {}
for i, key in ipairs(KEYS) do
  all[2*i-1] = redis.call('GET', key) or ''
  all[2*i] = redis.call('PEXPIRETIME', key)
end
return all`)
	restored = redis.NewScript(`
for i, key in ipairs(KEYS) do
  redis.call('DEL', key)
  if ARGV[2*i-1] ~= '' then redis.call('SET', key, ARGV[2*i-1], 'PXAT', ARGV[2*i]) end
end
return 1`)
)
