package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/teststore"
)

// Redis is the cluster's own. What fails here fails the test by Error.
type Redis struct {
	t testing.TB

	mu      sync.Mutex
	process *teststore.Process // nil while there is none
	paths   []*forwarder       // one for each node
}

// Addr is where the test itself reaches Redis, past everything that is cut off or delayed; empty while there is none.
func (r *Redis) Addr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return ""
	}
	return r.process.Addr
}

// Kill sends SIGKILL. Redis keeps nothing on disk.
func (r *Redis) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.Stop()
	}
	r.process = nil
}

// Restart starts an empty Redis, which the nodes find where the one before was; that is killed if it runs.
func (r *Redis) Restart() {
	r.Kill()
	process, err := teststore.StartRedis()
	if err != nil {
		r.t.Errorf("start Redis: %v", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = process
}

// Pause sends SIGSTOP: Redis hangs, its connections stay.
func (r *Redis) Pause() { r.signal("pause", (*teststore.Process).Pause) }

// Resume sends SIGCONT.
func (r *Redis) Resume() { r.signal("resume", (*teststore.Process).Resume) }

func (r *Redis) signal(what string, send func(*teststore.Process) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errors.New("it does not run, start it with Restart")
	if r.process != nil {
		err = send(r.process)
	}
	if err != nil {
		r.t.Errorf("%s Redis: %v", what, err)
	}
}

// flushTime is what a Redis may take that has not much in it, on a machine that has much to do.
const flushTime = time.Minute

// Flush has Redis forget everything, scripts too.
func (r *Redis) Flush() {
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ReadTimeout: flushTime})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := client.FlushAll(ctx).Err(); err != nil {
		r.t.Errorf("flush Redis: %v", err)
	}
	if err := client.ScriptFlush(ctx).Err(); err != nil {
		r.t.Errorf("flush the scripts of Redis: %v", err)
	}
}

// Delay has each answer of Redis reach the nodes so much later, from now on; 0 ends it.
func (r *Redis) Delay(delay time.Duration) {
	for _, path := range r.paths {
		path.setDelay(delay)
	}
}
