package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the way to Redis: redisconn.Conn. Do has fn ask it, within budget.
type Redis interface {
	Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error
}

// RedisEvery is how often a node announces itself in Redis.
const RedisEvery = 10 * time.Second

// Of a board in Redis.
const (
	redisLife   = 45 * time.Second // a node is listed for so long after it was last heard of
	redisIndex  = 24 * time.Hour   // the index forgets nodes after so long
	redisNodes  = 1000             // are listed at most, those heard of last
	redisBudget = 500 * time.Millisecond
)

// RedisBoard keeps the board in Redis: one key for each node, which dies when the node is not heard of, and an index of them by time, so that nobody has
// to scan for keys. All share one hash tag, so that in a Redis Cluster they are on one server.
type RedisBoard struct {
	conn     Redis
	prefix   string
	instance string // what was announced
}

// NewRedisBoard is the board of the registry that has this namespace.
func NewRedisBoard(conn Redis, namespace string) *RedisBoard {
	return &RedisBoard{conn: conn, prefix: namespace + ":{nodes}"}
}

func (b *RedisBoard) key(instance string) string { return b.prefix + ":" + instance }

// Announce costs one round trip.
func (b *RedisBoard) Announce(ctx context.Context, n Node) error {
	note, err := json.Marshal(n)
	if err != nil {
		return err
	}
	b.instance = n.Instance
	return b.conn.Do(ctx, redisBudget, func(ctx context.Context, client redis.UniversalClient) error {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, b.key(n.Instance), note, redisLife)
			p.ZAdd(ctx, b.prefix, redis.Z{Score: float64(n.Seen.UnixMilli()), Member: n.Instance})
			p.ZRemRangeByScore(ctx, b.prefix, "-inf", strconv.FormatInt(n.Seen.Add(-redisIndex).UnixMilli(), 10))
			p.PExpire(ctx, b.prefix, redisIndex)
			return nil
		})
		return err
	})
}

// Withdraw costs one round trip.
func (b *RedisBoard) Withdraw(ctx context.Context) error {
	if b.instance == "" {
		return nil
	}
	return b.conn.Do(ctx, redisBudget, func(ctx context.Context, client redis.UniversalClient) error {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, b.key(b.instance))
			p.ZRem(ctx, b.prefix, b.instance)
			return nil
		})
		return err
	})
}

// Nodes costs two round trips.
func (b *RedisBoard) Nodes(ctx context.Context) ([]Node, error) {
	var nodes []Node
	err := b.conn.Do(ctx, redisBudget, func(ctx context.Context, client redis.UniversalClient) error {
		instances, err := client.ZRevRange(ctx, b.prefix, 0, redisNodes-1).Result()
		if err != nil || len(instances) == 0 {
			return err
		}
		keys := make([]string, len(instances))
		for i, instance := range instances {
			keys[i] = b.key(instance)
		}
		notes, err := client.MGet(ctx, keys...).Result()
		if err != nil {
			return err
		}
		for i, note := range notes {
			if text, ok := note.(string); ok { // others were not heard of lately
				nodes = append(nodes, parseNode(instances[i], time.Time{}, []byte(text)))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return nodes, nil
}
