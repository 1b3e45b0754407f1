package main

import (
	"encoding/json"
	"errors"
	"fmt"
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

	// On a machine that has a lot else to do, the store may seem to be away for once.
	status := func() (s cluster.Status, complaint string) {
		code, stdout, stderr := invoke(t, nil, "cluster", "status", "--json", "--data", data)
		if err := json.Unmarshal([]byte(stdout), &s); code != exitOK || err != nil || stderr != "" || len(s.Nodes) != 1 {
			return s, fmt.Sprintf("exit %d: %s%s", code, stdout, stderr)
		}
		return s, ""
	}
	want := regexp.MustCompile(`^Store  up, [0-9.]+(µs|ms|s)  \Q` + data + `\E
Redis  not configured

INSTANCE +VERSION +ADDRESS +DEBUG +STARTED +SEEN +UPLOADS +STORE +REDIS
\S+-[a-z2-7]{8}  \S+ +\Q` + n.addr + `\E +\Q` + n.debug + `\E +\d+[sm] +\d+[sm] +0 +up +not configured
$`)
	eventually(t, func() string {
		if code, stdout, stderr := invoke(t, nil, "cluster", "status", "--data", data); code != exitOK || stderr != "" || !want.MatchString(stdout) {
			return fmt.Sprintf("exit %d: %s%s", code, stdout, stderr)
		}
		return ""
	})

	eventually(t, func() string { // the node may announce itself anew between the two
		code, text := fetch(t, "http://"+n.debug+"/cluster")
		var served cluster.Status
		if err := json.Unmarshal([]byte(text), &served); err != nil || code != http.StatusOK {
			t.Fatalf("%d: %s", code, text)
		}
		known, complaint := status()
		if complaint == "" && (len(served.Nodes) != 1 || served.Nodes[0] != known.Nodes[0] || served.Store.State != cluster.Up) {
			complaint = fmt.Sprintf("the node serves %+v, and the command says %+v", served, known)
		}
		return complaint
	})
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
