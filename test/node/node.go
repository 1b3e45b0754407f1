// Package node runs registryd as a process of its own, for tests that kill it or weigh it.
package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/teststore"
)

// startTime is how long a node may take to be ready, on a machine that has a lot else to do.
const startTime = 3 * time.Minute

// Node is a registryd that serves.
type Node struct {
	URL   string
	Debug string // URL of its debug listener
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process has ended
	once  sync.Once

	mu  sync.Mutex
	log bytes.Buffer
}

// Bucket is the part of the environment that has a node keep its data in a store, reached at endpoint.
func Bucket(store teststore.S3, endpoint string) []string {
	return []string{
		"REGISTRY_STORAGE_S3_BUCKET=" + store.Bucket, "REGISTRY_STORAGE_S3_REGION=" + teststore.Region,
		"REGISTRY_STORAGE_S3_REGIONENDPOINT=" + endpoint, "REGISTRY_STORAGE_S3_FORCEPATHSTYLE=true",
		"REGISTRY_STORAGE_S3_ACCESSKEY=" + teststore.AccessKey, "REGISTRY_STORAGE_S3_SECRETKEY=" + teststore.SecretKey,
	}
}

// Start runs a node on a free loopback port with nothing but env set, and waits until it is ready. It ends with the test process, or by Kill.
func Start(program string, env ...string) (*Node, error) {
	n := &Node{cmd: exec.Command(program, "serve", "--addr", "127.0.0.1:0"), done: make(chan struct{})}
	n.cmd.Env = append([]string{
		"REGISTRY_HTTP_SECRET=a secret that all nodes of a test share", "REGISTRY_HTTP_DEBUG_ADDR=127.0.0.1:0", "REGISTRY_LOG_FORMATTER=json",
	}, env...)
	dieWithParent(n.cmd)
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		defer close(n.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			n.read(lines.Bytes(), ready)
		}
		_ = n.cmd.Wait()
	}()
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case <-ready:
		return n, nil
	case <-n.done:
	case <-timeout.C:
		n.Kill()
	}
	return nil, fmt.Errorf("the node did not start:\n%s", n.Log())
}

// read takes a line of the log.
func (n *Node) read(line []byte, ready chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.log.Len() > 1<<20 {
		n.log.Reset()
	}
	n.log.Write(append(line, '\n'))
	var l struct{ Msg, Addr, Debug string }
	if n.URL == "" && json.Unmarshal(line, &l) == nil && l.Msg == "registryd is ready" {
		n.URL, n.Debug = "http://"+l.Addr, "http://"+l.Debug
		close(ready)
	}
}

// Log is the end of what the node wrote.
func (n *Node) Log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}
