package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/teststore"
)

func TestClusterStatus(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n, stop := start(t, quietEnv, quiet(data)...)

	status := func(t *testing.T) cluster.Status {
		t.Helper()
		code, stdout, stderr := invoke(t, nil, "cluster", "status", "--json", "--data", data)
		var s cluster.Status
		if err := json.Unmarshal([]byte(stdout), &s); code != exitOK || err != nil || stderr != "" {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		return s
	}
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for len(status(t).Nodes) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the node does not announce itself")
		}
	}
	code, stdout, stderr := invoke(t, nil, "cluster", "status", "--data", data)
	want := regexp.MustCompile(`^Store  up, [0-9.]+(µs|ms|s)  \Q` + data + `\E
Redis  not configured

INSTANCE +VERSION +ADDRESS +DEBUG +STARTED +SEEN +UPLOADS +STORE +REDIS
\S+-[a-z2-7]{8}  \S+ +\Q` + n.addr + `\E +\Q` + n.debug + `\E +\d+s +\d+s +0 +up +not configured
$`)
	if code != exitOK || stderr != "" || !want.MatchString(stdout) {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	resp, err := http.Get("http://" + n.debug + "/cluster")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var served cluster.Status
	if err := json.NewDecoder(resp.Body).Decode(&served); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	if known := status(t); len(served.Nodes) != 1 || len(known.Nodes) != 1 || served.Nodes[0] != known.Nodes[0] || served.Store.State != cluster.Up {
		t.Errorf("the node serves %+v, and the command says %+v", served, known)
	}
	if resp, err := http.Post("http://"+n.debug+"/cluster", "", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST gives %v, %v", resp, err)
	}

	stop()
	if code, stdout, _ := invoke(t, nil, "cluster", "status", "--data", data); code != exitOK || !strings.Contains(stdout, "\n\nNo node was seen lately.\n") {
		t.Errorf("after the node stopped: exit %d: %s", code, stdout)
	}
}

func TestClusterStatusWithoutAStore(t *testing.T) {
	t.Parallel()
	addr, err := teststore.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"REGISTRY_STORAGE_S3_BUCKET=x", "REGISTRY_STORAGE_S3_REGIONENDPOINT=http://" + addr, "REGISTRY_STORAGE_S3_ACCESSKEY=x", "REGISTRY_STORAGE_S3_SECRETKEY=x"}
	code, stdout, stderr := invoke(t, env, "cluster", "status")
	if code != exitError || !strings.HasPrefix(stderr, "registryd: the store is away: ") || strings.Count(stderr, "\n") != 1 ||
		!strings.Contains(stderr, "see that it runs") || !strings.HasPrefix(stdout, "Store  away: ") || !strings.Contains(stdout, "each node that runs lists them at /cluster") {
		t.Errorf("exit %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
	}
	if code, stdout, _ := invoke(t, env, "cluster", "status", "--json"); code != exitError || !strings.Contains(stdout, `"state":"away"`) {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if code, stdout, stderr := invoke(t, nil, "cluster", "status", "--data", t.TempDir()); code != exitError || stdout != "" || !strings.Contains(stderr, "holds no registry") {
		t.Errorf("of an empty directory: exit %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := invoke(t, nil, "cluster"); code != exitUsage || !strings.Contains(stderr, "cluster needs to know what to do: status") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestWriteStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	up, away := cluster.Health{State: cluster.Up, Latency: 3456789}, cluster.Health{State: cluster.Away, Error: "no way"}
	node := func(instance string, started, seen time.Duration) cluster.Node {
		return cluster.Node{
			Instance: instance, Version: "v1.0.0", Address: "10.0.0.1:5000", Started: now.Add(-started), Seen: now.Add(-seen),
			Uploads: 12, Store: up, Redis: away,
		}
	}
	for _, tt := range []struct {
		name   string
		status cluster.Status
		want   string
	}{
		{"nothing", cluster.Status{At: now, Store: up, Redis: cluster.Health{State: cluster.NotConfigured}},
			"Store  up, 3.5ms  s3://b\nRedis  not configured\n\nNo node was seen lately.\n"},
		{"all", cluster.Status{
			At: now, Store: up, Redis: away,
			Nodes:  []cluster.Node{node("a-1", 90*time.Second, 0), node("long-name-2", 119*time.Minute, -time.Minute), node("c", 47*time.Hour, 4*time.Second), {Instance: "new", Seen: now.Add(-48 * time.Hour)}},
			Queues: []cluster.Queue{{Name: "hook", Depth: 7, Oldest: now.Add(-5 * time.Minute)}, {Name: "quiet"}},
			Errors: []string{"A queue cannot be counted: away."},
		}, `Store  up, 3.5ms  s3://b
Redis  away: no way

INSTANCE     VERSION  ADDRESS        DEBUG  STARTED  SEEN  UPLOADS  STORE  REDIS
a-1          v1.0.0   10.0.0.1:5000  -      90s      0s    12       up     away
long-name-2  v1.0.0   10.0.0.1:5000  -      119m     0s    12       up     away
c            v1.0.0   10.0.0.1:5000  -      47h      4s    12       up     away
new          -        -              -      -        2d    0        -      -

QUEUE  DEPTH  OLDEST
hook   7      5m
quiet  0      -
A queue cannot be counted: away.
`},
	} {
		var out strings.Builder
		if err := writeStatus(&out, "s3://b", tt.status); err != nil || out.String() != tt.want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", tt.name, err, out.String(), tt.want)
		}
	}
	if err := writeStatus(full{}, "s3://b", cluster.Status{}); err == nil {
		t.Error("nobody is told that it could not be written")
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"[::]:5000": "host:5000", "0.0.0.0:80": "host:80", "127.0.0.1:5000": "127.0.0.1:5000", "[2001:db8::1]:5": "[2001:db8::1]:5"} {
		if got := reachable(addr, "host"); got != want {
			t.Errorf("%s is reached at %s, want %s", addr, got, want)
		}
	}
}
