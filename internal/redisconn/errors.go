package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// verdict is what came of a call.
type verdict string

const (
	ok       verdict = "ok"
	away     verdict = "away"
	failure  verdict = "error" // an answer that is an error: what was asked cannot be done
	canceled verdict = "canceled"
)

// judge sorts the error of a call that was made for ctx.
func judge(ctx context.Context, err error) verdict {
	var reply redis.Error
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return ok
	case errors.As(err, &reply) && refusal(reply) == "":
		return failure
	case ctx.Err() != nil:
		return canceled
	}
	return away
}

// refusals are answers with which Redis says that it is not for use, by what they begin with, and what to do about them.
var refusals = []struct{ prefix, remedy string }{
	{"LOADING", "it reads its data and will be ready by itself"},
	{"READONLY", "it is a replica; name the master in redis.addrs, or the Sentinels there and redis.mastername"},
	{"MASTERDOWN", "it is a replica without its master; name the master in redis.addrs, or the Sentinels there and redis.mastername"},
	{"CLUSTERDOWN", "bring back the nodes that its Cluster misses"},
	{"TRYAGAIN", "its Cluster is moving slots and will be ready by itself"},
	{"MOVED", "it is part of a Cluster; name at least two of its nodes in redis.addrs"},
	{"ASK", "it is part of a Cluster; name at least two of its nodes in redis.addrs"},
	{"OOM", "give it more memory, and look with registryd events status for an endpoint that takes nothing"},
	{"MISCONF", "mend its disk, or turn off its snapshots"},
	{"NOREPLICAS", "bring back its replicas, or lower min-replicas-to-write"},
	{"BUSY", "somebody's script keeps it busy; end that with SCRIPT KILL"},
	{"UNBLOCKED", "it became a replica; the new master will be found by itself where redis.mastername is set"},
	{"NOAUTH", "set redis.password, and redis.username if it has users"},
	{"WRONGPASS", "correct redis.username and redis.password"},
	{"NOPERM", "let its user do what docs/configuration.md lists"},
	{"NOPROTO", "use Redis 7 or later"},
	{"ERR Error compiling script", "use Redis 7 or later"}, // which knows the first line of ours
	{"ERR max number of clients", "raise its maxclients, or lower redis.poolsize"},
	// These come while a connection is made, which nobody asked for.
	{"ERR AUTH", "remove redis.password, which it has none of"},
	{"ERR Client sent AUTH", "remove redis.password, which it has none of"},
	{"ERR invalid password", "correct redis.password"},
	{"ERR DB index", "set redis.db to a number below its `databases`"},
	{"ERR SELECT is not allowed", "remove redis.db, since a Cluster has only one database"},
}

// refusal gives the remedy, or "" for an answer that is no refusal. Before Redis 7, what a script ran into stands in the middle of its error.
func refusal(reply error) string {
	text := reply.Error()
	for _, r := range refusals {
		if strings.HasPrefix(text, r.prefix+" ") || strings.Contains(text, " -"+r.prefix+" ") {
			return r.remedy
		}
	}
	return ""
}

// advice is a sentence about what made Redis go away, and what to do about it.
func advice(err error) string {
	remedy := "see that it runs and that redis.addrs names it"
	var reply redis.Error
	switch {
	case errors.As(err, &reply):
		if remedy = refusal(reply); remedy == "" {
			remedy = "see that it is a Redis, 7 or later"
		}
	case errors.Is(err, errReplica):
		remedy = "name the master in redis.addrs, or the Sentinels there and redis.mastername"
	case slow(err):
		remedy = "see that it is near, and not overloaded or stopped"
	case strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: "):
		remedy = "see that redis.tls fits it"
	}
	return fmt.Sprintf("Redis is away (%s): %s. Until then registryd works without it, a little slower.", strings.Join(strings.Fields(err.Error()), " "), remedy)
}

// slow says that time ran out, on a connection or for the call as a whole.
func slow(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
