package teststore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sharedRedis shared

// Redis gives the address of a Redis that all tests of the process share: use keys of your own, and do not flush or stop it.
func Redis(t testing.TB) string {
	t.Helper()
	return sharedRedis.get(t, func() (*Process, error) { return StartRedis() }).Addr
}

// StartRedis runs a Redis of its own, for tests that harm it. It keeps nothing when it ends, unless args, which are those of redis-server, say so; in
// them {port} stands for the port of its address.
func StartRedis(args ...string) (*Process, error) {
	return startRedis("", append([]string{"--save", "", "--appendonly", "no", "--enable-debug-command", "local"}, args...))
}

// StartSentinel runs a Sentinel that watches over one master, calls it by name, and alone decides that it is gone after a second.
func StartSentinel(name, master string, args ...string) (*Process, error) {
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 3000\n", name, host, port)
	return startRedis(config, append([]string{"--sentinel"}, args...))
}

// startRedis runs redis-server with the text of a configuration file, if it is not empty, and args.
func startRedis(config string, args []string) (*Process, error) {
	path, err := redisServer()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("redis")
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	var all []string
	if config != "" {
		file := filepath.Join(dir, "redis.conf") // a Sentinel writes to its own
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		all = append(all, file)
	}
	all = append(all, "--bind", "127.0.0.1", "--port", port, "--dir", dir)
	for _, arg := range args {
		all = append(all, strings.ReplaceAll(arg, "{port}", port))
	}
	return start(addr, redisAnswers(addr), path, all, nil)
}

// redisAnswers is ready when a PING is answered, be it by asking for a password or for TLS.
func redisAnswers(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		cn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer cn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			if err := cn.SetDeadline(deadline); err != nil {
				return err
			}
		}
		if _, err := cn.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		var answer [64]byte
		if n, _ := cn.Read(answer[:]); strings.HasPrefix(string(answer[:n]), "-LOADING") {
			return errors.New("it reads its data")
		}
		return nil
	}
}
