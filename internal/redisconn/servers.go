package redisconn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// distrust is how long a server is not believed after it was first met. What is remembered for a short while lives for a second at most, so that after
// this nothing stands that a server remembers from before it took over; a tenth is for clocks that run at different speeds.
const distrust = 1100 * time.Millisecond

// maxKnown bounds how many servers are known. One that is forgotten counts as new when it is met again, which is safe.
const maxKnown = 1024

// errReplica is the end of a connection to a replica: it would answer with what its master knew a while ago.
var errReplica = errors.New("it is a replica")

// servers knows which servers this process has met. A server is one time of one process as a master: its run id tells restarts, its replication id
// is a new one each time it becomes a master. A process that was a master before, and is one again, may have lost what was told to the one between.
// It is asked on new connections alone: a Cluster whose master is failed over by hand (TAKEOVER) and back within a second, with a connection left open
// throughout, is not noticed.
type servers struct {
	mu      sync.Mutex
	known   map[string]bool
	lastMet atomic.Pointer[time.Time] // when a new one was last met; monotonic
}

// meet is called for each new connection before it is used for anything else.
func (s *servers) meet(ctx context.Context, cn *redis.Conn) error {
	var server, replication *redis.StringCmd
	_, err := cn.Pipelined(ctx, func(p redis.Pipeliner) error {
		server, replication = p.Info(ctx, "server"), p.Info(ctx, "replication")
		return nil
	})
	var reply redis.Error
	if err != nil && !errors.As(err, &reply) {
		return err
	}
	if field(server.Val(), "redis_mode") == "sentinel" {
		return nil // it remembers nothing for us
	}
	if field(replication.Val(), "role") == "slave" {
		return errReplica
	}
	run, term := field(server.Val(), "run_id"), field(replication.Val(), "master_replid")
	if run == "" || term == "" {
		s.met("") // INFO is not permitted, or says less than it should: it may be anybody
	} else {
		s.met(run + " " + term)
	}
	return nil
}

// met notes a connection to a server; "" stands for one that is not to be told from others.
func (s *servers) met(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" && s.known[id] {
		return
	}
	now := time.Now()
	s.lastMet.Store(&now)
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = make(map[string]bool)
	}
	if id != "" {
		s.known[id] = true
	}
}

// knownSince says whether at start, and ever since, all servers were ones that had been met for long enough.
func (s *servers) knownSince(start time.Time) bool {
	met := s.lastMet.Load()
	return met != nil && start.Sub(*met) > distrust
}

// field gives one of the values that INFO lists, a line each; "" if it is not there.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && key == name {
			return value
		}
	}
	return ""
}
