//go:build stores

package redisconn

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// slowProxy hands on what Redis answers, later.
type slowProxy struct {
	addr  string
	delay atomic.Int64 // of each answer, as a duration
}

func slowly(t *testing.T, addr string, delay time.Duration) *slowProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &slowProxy{addr: l.Addr().String()}
	p.delay.Store(int64(delay))
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, addr)
		}
	}()
	return p
}

func (p *slowProxy) serve(client net.Conn, addr string) {
	defer client.Close()
	redis, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer redis.Close()
	go func() {
		defer redis.Close()
		copySlowly(redis, client, func() {})
	}()
	copySlowly(client, redis, func() { <-time.After(time.Duration(p.delay.Load())) })
}

func copySlowly(to, from net.Conn, wait func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		wait()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
