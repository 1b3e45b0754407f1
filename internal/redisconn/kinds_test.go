//go:build stores

package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/teststore"
)

func client(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

// TestUsers: what docs/configuration.md says a user must be allowed is enough.
func TestUsers(t *testing.T) {
	t.Parallel()
	p := server(t)
	admin := client(t, p.Addr)
	for _, user := range []string{"registryd on >secret ~* +@all -@admin -@dangerous +info", "guest on >guest ~* +@all -@scripting", "default off"} {
		args := []any{"ACL", "SETUSER"}
		for _, rule := range strings.Fields(user) {
			args = append(args, rule)
		}
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := open(t, Config{Addrs: []string{p.Addr}, Username: "registryd", Password: "secret", DB: 3})
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)
	for _, tt := range []struct{ name, user, password, says string }{
		{"no password", "", "", "redis.password"},
		{"a wrong one", "registryd", "wrong", "redis.password"},
		{"too few rights", "guest", "guest", "docs/configuration.md"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, logs := open(t, Config{Addrs: []string{p.Addr}, Username: tt.user, Password: tt.password})
			eventually(t, "it is away", func() bool { return !c.Up() })
			eventually(t, "it says why", func() bool { return logs.Len() == 1 })
			if message := logs.All()[0].Message; !strings.Contains(message, tt.says) {
				t.Errorf("the log says %q, want what to do: %q", message, tt.says)
			}
			if c.Trusted() {
				t.Error("it is trusted")
			}
		})
	}
}

// TestUserOfCluster: nor needs a user more of a Cluster than is said there.
func TestUserOfCluster(t *testing.T) {
	t.Parallel()
	nodes, err := teststore.StartRedisCluster("--cluster-node-timeout", "30000")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		t.Cleanup(node.Stop)
		user := []any{"ACL", "SETUSER", "registryd", "on", ">secret", "resetchannels", "~*", "-@all", "+hello", "+ping", "+info", "+eval", "+set", "+cluster|slots"}
		if err := client(t, node.Addr).Do(t.Context(), user...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c, logs := open(t, Config{Addrs: []string{nodes[0].Addr, nodes[1].Addr}, Username: "registryd", Password: "secret"})
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)
	eventually(t, "it is healthy", func() bool { return c.Health(t.Context()) == nil })
	for _, node := range nodes {
		if refused, err := client(t, node.Addr).Do(t.Context(), "ACL", "LOG").Slice(); err != nil || len(refused) > 0 {
			t.Errorf("it was refused %v, %v", refused, err)
		}
	}
	if logs.Len() > 0 {
		t.Errorf("the log is %v", logs.All())
	}
}

// TestUnknownServers: where INFO is not permitted, each new connection may be to anybody.
func TestUnknownServers(t *testing.T) {
	t.Parallel()
	p := server(t)
	if err := client(t, p.Addr).Do(t.Context(), "ACL", "SETUSER", "registryd", "on", ">secret", "~*", "+@all", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, Config{Addrs: []string{p.Addr}, Username: "registryd", Password: "secret"})
	works(t, c)
	eventually(t, "it is trusted after a call on an old connection", func() bool { // the watch may be at it, and this call make another one
		err := c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error { return client.Ping(ctx).Err() })
		return err == nil && c.Trusted()
	})
	met := c.servers.lastMet.Load()
	err := c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error {
		for range 3 { // more than the watch and this test can have made so far
			one := client.(*redis.Client).Conn()
			defer one.Close()
			if err := one.Ping(ctx).Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || c.servers.lastMet.Load() == met {
		t.Errorf("a new connection: %v; it was taken for one to a server that is known", err)
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	master := server(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := server(t, "--replicaof", host, port)
	c, logs := open(t, Config{Addrs: []string{replica.Addr}})
	err := c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error {
		return client.Exists(ctx, "a").Err() // which a replica would answer
	})
	if !errors.Is(err, ErrAway) {
		t.Errorf("a replica was read from: got %v, want ErrAway", err)
	}
	eventually(t, "it is away", func() bool { return !c.Up() })
	eventually(t, "it says why", func() bool { return logs.Len() == 1 })
	if err := client(t, replica.Addr).Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	onceEach(t, logs, "name the master")
}

// TestDemoted: a connection that was made to a master may find itself at a replica. Scripts that begin as the probe does are refused there, though they would
// only read.
func TestDemoted(t *testing.T) {
	t.Parallel()
	master := server(t)
	c, logs := open(t, Config{Addrs: []string{master.Addr}})
	works(t, c)
	head, _, _ := strings.Cut(probeScript, "\n")
	reads := redis.NewScript(head + "\nreturn redis.call('EXISTS', KEYS[1])")
	look := func() error {
		return c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error {
			return reads.Run(ctx, client, []string{"works"}).Err()
		})
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	if err := client(t, master.Addr).Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := look(); !errors.Is(err, ErrAway) {
		t.Errorf("what was a master was read from: got %v, want ErrAway", err)
	}
	goesAway(t, c, ample)
	eventually(t, "it says why", func() bool { return logs.Len() == 1 })
	if message := logs.All()[0].Message; !strings.Contains(message, "name the master") {
		t.Errorf("the log says %q", message)
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	first := server(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(first.Addr)
	second := server(t, "--replicaof", host, port)
	eventually(t, "the replica follows", func() bool {
		info, err := client(t, second.Addr).Info(t.Context(), "replication").Result()
		return err == nil && field(info, "master_link_status") == "up"
	})
	sentinel, err := teststore.StartSentinel("main", first.Addr, "--requirepass", "watch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sentinel.Stop)
	eyes := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr, Password: "watch"})
	defer eyes.Close()
	eventually(t, "the Sentinel knows the replica", func() bool {
		replicas, err := eyes.Replicas(t.Context(), "main").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	c, logs := open(t, Config{Addrs: []string{sentinel.Addr}, MasterName: "main", SentinelPassword: "watch"})
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)

	stopped := time.Now()
	first.Stop()
	goesAway(t, c, ample)
	works(t, c)
	if n, err := client(t, second.Addr).Exists(t.Context(), "works").Result(); n != 1 || err != nil {
		t.Errorf("the value is not on the new master: %d, %v", n, err)
	}
	trustedAnew(t, c, stopped)
	onceEach(t, logs, "Redis is away")
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes, err := teststore.StartRedisCluster()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		t.Cleanup(node.Stop)
	}
	c, logs := open(t, Config{Addrs: []string{nodes[0].Addr, nodes[1].Addr}})
	works(t, c)
	eventually(t, "a pipeline goes through", func() bool { // its nodes take one for dead that stands still for a second
		return nil == c.Do(t.Context(), ample, func(ctx context.Context, client redis.UniversalClient) error {
			p := client.Pipeline()
			for i := range 100 {
				p.Set(ctx, fmt.Sprint("key", i), i, time.Hour)
			}
			_, err := p.Exec(ctx)
			return err
		})
	})
	total := int64(0)
	for _, node := range nodes {
		n, err := client(t, node.Addr).DBSize(t.Context()).Result()
		if err != nil || n == 0 {
			t.Errorf("a node has %d keys, %v", n, err)
		}
		total += n
	}
	if total < 100 {
		t.Errorf("the nodes have %d keys, want 100 at least", total)
	}
	eventually(t, "it is trusted", c.Trusted)
	eventually(t, "it is healthy", func() bool { return c.Health(t.Context()) == nil })

	if err := nodes[2].Pause(); err != nil { // its slots are gone with it, and soon the whole Cluster
		t.Fatal(err)
	}
	eventually(t, "it is away", func() bool { set(t, c, "works", budget); return !c.Up() })
	if err := c.Health(t.Context()); err == nil {
		t.Error("a Cluster that misses a node is well")
	}
	if err := nodes[2].Resume(); err != nil {
		t.Fatal(err)
	}
	works(t, c)
	if all := logs.All(); len(all) < 2 || all[len(all)-1].Message != "Redis answers again." {
		t.Errorf("the log is %v", all)
	}
}

// TestNew is what tests elsewhere use.
func TestNew(t *testing.T) {
	t.Parallel()
	p := server(t)
	c := New(redis.NewClient(&redis.Options{Addr: p.Addr}), Options{})
	defer c.Close()
	works(t, c)
	eventually(t, "it is trusted", c.Trusted)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	for range patience {
		if err := set(t, c, "hung", budget); err == nil {
			t.Error("it was written to")
		}
	}
	if c.Up() {
		t.Error("it is up though it hangs")
	}
}
