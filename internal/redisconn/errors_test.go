package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// reply is an error that Redis answered.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestJudge(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		err  error
		ctx  context.Context
		want verdict
		says string // what the advice holds
	}{
		{err: nil, want: ok},
		{err: redis.Nil, want: ok},
		{err: fmt.Errorf("look: %w", redis.Nil), ctx: over, want: ok},
		{err: reply("WRONGTYPE Operation against a key holding the wrong kind of value"), want: failure},
		{err: reply("NOSCRIPT No matching script. Please use EVAL."), want: failure},
		{err: reply("CROSSSLOT Keys in request don't hash to the same slot"), ctx: over, want: failure},
		{err: redis.TxFailedErr, want: failure},
		{err: reply("ERR unknown command 'X'"), want: failure},
		{err: reply("LOADING Redis is loading the dataset in memory"), want: away, says: "by itself"},
		{err: reply("READONLY Can not run script with write flag on readonly replica."), want: away, says: "name the master"},
		{err: reply("ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'"), want: away, says: "7 or later"},
		{err: reply("READONLY You can't write against a read only replica."), want: away, says: "name the master"},
		{err: reply("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only replica. "), want: away, says: "name the master"},
		{err: reply("MASTERDOWN Link with MASTER is down"), want: away, says: "name the master"},
		{err: reply("CLUSTERDOWN The cluster is down"), want: away, says: "nodes"},
		{err: reply("TRYAGAIN Multiple keys request during rehashing of slot"), want: away, says: "by itself"},
		{err: reply("MOVED 1 127.0.0.1:1"), want: away, says: "two of its nodes"},
		{err: reply("OOM command not allowed when used memory > 'maxmemory'."), want: away, says: "memory"},
		{err: reply("MISCONF Redis is configured to save RDB snapshots"), want: away, says: "disk"},
		{err: reply("NOREPLICAS Not enough good replicas to write."), want: away, says: "replicas"},
		{err: reply("NOAUTH Authentication required."), want: away, says: "redis.password"},
		{err: reply("WRONGPASS invalid username-password pair or user is disabled."), want: away, says: "redis.password"},
		{err: reply("NOPERM this user has no permissions to run the 'eval' command"), want: away, says: "docs/configuration.md"},
		{err: reply("ERR max number of clients reached"), want: away, says: "redis.poolsize"},
		{err: fmt.Errorf("connect: %w", reply("ERR DB index is out of range")), want: away, says: "redis.db"},
		{err: reply("NOPERM this user has no permissions"), ctx: over, want: canceled},
		{err: io.EOF, want: away, says: "redis.addrs"},
		{err: io.EOF, ctx: over, want: canceled},
		{err: context.DeadlineExceeded, want: away, says: "overloaded"},
		{err: os.ErrDeadlineExceeded, want: away, says: "overloaded"},
		{err: errReplica, want: away, says: "name the master"},
		{err: errors.New("tls: failed to verify certificate"), want: away, says: "redis.tls"},
	}
	for _, tt := range tests {
		ctx := tt.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		if got := judge(ctx, tt.err); got != tt.want {
			t.Errorf("%v is judged %s, want %s", tt.err, got, tt.want)
		}
		if tt.says == "" {
			continue
		}
		if got := advice(tt.err); !strings.Contains(got, tt.says) || !strings.HasSuffix(got, ".") || strings.Contains(got, "\n") {
			t.Errorf("%v: the advice is %q, want a sentence with %q", tt.err, got, tt.says)
		}
	}
}
