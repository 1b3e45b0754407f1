package events

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Conn is what is needed of redisconn.Conn. Safe for concurrent use.
type Conn interface {
	// Do has fn ask Redis, within budget.
	Do(ctx context.Context, budget time.Duration, fn func(context.Context, redis.UniversalClient) error) error
	// Up says whether Redis answers, as far as is known.
	Up() bool
}

// remote is what all nodes have in Redis. Its calls fail when Redis is away, and may have been carried out then.
type remote struct {
	conn  Conn
	root  string // {<namespace>:events}
	times *times
}

const (
	atOnce     = 200       // entries in one call, so that Redis does other things in between
	mostSent   = 512 << 10 // bytes of notes in one call, unless a single one is longer
	mostInline = 16 << 10  // bytes of a note in Redis: a longer one, of which there are few, is read from the journal by whoever delivers it
)

// run runs a script, whose answer is a list.
func (r *remote) run(ctx context.Context, script *redis.Script, args ...any) ([]any, error) {
	var answer []any
	err := r.conn.Do(ctx, r.times.budget, func(ctx context.Context, client redis.UniversalClient) error {
		got, err := script.Run(ctx, client, []string{r.root}, args...).Result()
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
		return nil, fmt.Errorf("ask redis for events: %w", err) // what was asked may still be under way, and answer with it
	}
	return answer, nil
}

// parcelled runs a script on args, which come in groups that are not to be torn, in as many calls as are good for Redis.
func (r *remote) parcelled(ctx context.Context, script *redis.Script, groups [][]any) (answers []any, err error) {
	for len(groups) > 0 {
		var args []any
		n, size := 0, 0
		for n < len(groups) && n < atOnce && (n == 0 || size+length(groups[n]) <= mostSent) {
			args, size = append(args, groups[n]...), size+length(groups[n])
			n++
		}
		got, err := r.run(ctx, script, args...)
		if err != nil {
			return answers, err
		}
		answers, groups = append(answers, got...), groups[n:]
	}
	return answers, nil
}

func length(args []any) (n int) {
	for _, arg := range args {
		if note, ok := arg.([]byte); ok {
			n += len(note)
		}
	}
	return n
}

// order is an entry to be put into the streams of endpoints.
type order struct {
	id        string
	note      []byte
	endpoints []string
	repair    bool // put back what is gone, nothing else
}

// enqueue can be done again: an entry that is known stays as it is. It says how many of the orders were new.
func (r *remote) enqueue(ctx context.Context, orders []order) (news []bool, err error) {
	groups := make([][]any, len(orders))
	for i, o := range orders {
		if len(o.note) > mostInline {
			o.note = nil
		}
		groups[i] = []any{o.id, bit(o.repair), o.note, len(o.endpoints)}
		for _, endpoint := range o.endpoints {
			groups[i] = append(groups[i], endpoint)
		}
	}
	answers, err := r.parcelled(ctx, enqueueScript, groups)
	for _, n := range answers {
		news = append(news, n != int64(0))
	}
	return news, err
}

// taken says that endpoints have taken entries, and gives the entries that all have taken that were to.
func (r *remote) taken(ctx context.Context, all []receipt) (over []string, err error) {
	groups := make([][]any, len(all))
	for i, t := range all {
		groups[i] = []any{t.endpoint, t.id, t.at}
	}
	answers, err := r.parcelled(ctx, doneScript, groups)
	for i, last := range answers {
		if last == int64(1) {
			over = append(over, all[i].id)
		}
	}
	return over, err
}

// receipt says that an endpoint has taken an entry.
type receipt struct{ endpoint, id, at string }

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

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
