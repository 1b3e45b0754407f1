package teststore

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// StartRedisCluster runs a Redis Cluster of three masters that share all slots, and waits until each of them knows of all. What args say is for each.
func StartRedisCluster(args ...string) ([]*Process, error) {
	var nodes []*Process
	for range 3 {
		bus, err := FreeAddr() // by default it is 10000 above the port, which may be taken or no port
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(bus)
		if err != nil {
			return nil, err
		}
		node, err := StartRedis(append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", port}, args...)...)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	if err := joinCluster(nodes); err != nil {
		for _, node := range nodes {
			node.Stop()
		}
		return nil, err
	}
	return nodes, nil
}

func joinCluster(nodes []*Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	// redis-cli --cluster create takes the bus for 10000 above the port; CLUSTER MEET can be told where it is.
	const slots = 16384
	for i, node := range nodes {
		for _, other := range nodes {
			host, port, err := net.SplitHostPort(other.Addr)
			if err != nil {
				return err
			}
			if _, err := redisCLI(ctx, node, "CLUSTER", "MEET", host, port, other.option("--cluster-port")); err != nil {
				return err
			}
		}
		first, last := i*slots/len(nodes), (i+1)*slots/len(nodes)-1
		if _, err := redisCLI(ctx, node, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return err
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, node := range nodes {
		for {
			info, err := redisCLI(ctx, node, "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(nodes))) {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("the Redis Cluster does not come together: %s", info)
			}
		}
	}
	return nil
}

// option gives what follows an argument that the program was started with.
func (p *Process) option(name string) string {
	for i, arg := range p.args[:len(p.args)-1] {
		if arg == name {
			return p.args[i+1]
		}
	}
	return ""
}

// redisCLI runs one command on a Redis without a password, by the redis-cli that stands beside redis-server.
func redisCLI(ctx context.Context, p *Process, command ...string) (string, error) {
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return "", err
	}
	cli := exec.CommandContext(ctx, filepath.Join(filepath.Dir(p.path), "redis-cli"), append([]string{"-e", "-h", host, "-p", port}, command...)...)
	out, err := cli.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return string(out), nil
}
