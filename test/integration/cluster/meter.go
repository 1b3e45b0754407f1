package cluster

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/teststore"
)

// Request is what a node asked of the store, and got an answer to.
type Request struct {
	Operation string // as S3 calls it: see teststore.Operation
	Key       string // in the bucket; empty for those that are about the bucket
	Upload    string // id of a multipart upload
	Part      int    // number of a part
	Size      int64  // bytes of its body, without those of its coding
	Status    int    // of the answer
	Time      time.Time
}

// Requests are all that the node has asked of the store since it was last forgotten, in the order of the answers. It needs Options.Meter.
func (n *Node) Requests() []Request {
	n.meter.mu.Lock()
	defer n.meter.mu.Unlock()
	return slices.Clone(n.meter.seen)
}

// ForgetRequests lets Requests begin anew.
func (n *Node) ForgetRequests() {
	n.meter.mu.Lock()
	defer n.meter.mu.Unlock()
	n.meter.seen = nil
}

// meter stands between a node and its store and notes what passes. Bodies of requests go through the kernel alone: tests send gigabytes.
type meter struct {
	addr string

	mu   sync.Mutex
	seen []Request
}

func newMeter(t testing.TB, store string) *meter {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	m := &meter{addr: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go m.carry(client.(*net.TCPConn), store)
		}
	}()
	return m
}

// carry serves a connection of the node's, which ends with the node.
func (m *meter) carry(client *net.TCPConn, store string) {
	conn, err := net.Dial("tcp", store)
	if err != nil {
		(&link{client: client}).reset()
		return
	}
	defer (&link{client, conn.(*net.TCPConn)}).reset()
	x := &exchange{client: client, server: conn.(*net.TCPConn), fromClient: bufio.NewReader(client), fromServer: bufio.NewReader(conn)}
	for {
		request, response, err := x.next()
		if err != nil {
			return
		}
		m.note(request, response.StatusCode)
		out := bufio.NewWriter(client)
		if response.Write(out) != nil || out.Flush() != nil || response.Close || x.broken {
			return
		}
	}
}

// note takes down a request that is answered, before the node sees that.
func (m *meter) note(r *http.Request, status int) {
	query := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	seen := Request{Operation: teststore.Operation(r), Key: key, Upload: query.Get("uploadId"), Size: max(r.ContentLength, 0), Status: status, Time: time.Now()}
	if decoded, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		seen.Size = decoded
	}
	seen.Part, _ = strconv.Atoi(query.Get("partNumber")) // 0 for none
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, seen)
}
