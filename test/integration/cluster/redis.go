package cluster

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the cluster's own. What fails here fails the test by Error.
type Redis struct {
	t testing.TB

	mu      sync.Mutex
	process *redisProcess // nil while there is none
	addr    string        // of process
	paths   []*forwarder  // one for each node
}

// Addr is where the test itself reaches Redis, past everything that is cut off or delayed; empty while there is none.
func (r *Redis) Addr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addr
}

// Kill sends SIGKILL. Redis keeps nothing on disk.
func (r *Redis) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.kill()
	}
	r.process, r.addr = nil, ""
}

// Restart starts an empty Redis, where the nodes look for it; the one before is killed if it runs.
func (r *Redis) Restart() {
	r.Kill()
	process, err := startRedis()
	if err != nil {
		r.t.Errorf("start Redis: %v", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process, r.addr = process, process.addr
}

// Pause sends SIGSTOP: Redis hangs, its connections stay.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume sends SIGCONT.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(signal syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		r.t.Errorf("Redis does not run, start it with Restart")
		return
	}
	if err := r.process.cmd.Process.Signal(signal); err != nil {
		r.t.Errorf("send %s to Redis: %v", signal, err)
	}
}

// Flush has Redis forget everything, scripts too.
func (r *Redis) Flush() {
	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
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

// redisProcess is one redis-server.
type redisProcess struct {
	addr string
	cmd  *exec.Cmd
	done chan struct{}
}

func startRedis() (*redisProcess, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().(*net.TCPAddr)
	listener.Close()
	p := &redisProcess{addr: addr.String(), done: make(chan struct{})}
	p.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(addr.Port), "--save", "", "--appendonly", "no")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	client := redis.NewClient(&redis.Options{Addr: p.addr, MaxRetries: 100})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func (p *redisProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
