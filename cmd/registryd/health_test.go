package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	n, stop := start(t, quietEnv, quiet(t.TempDir())...)
	env := []string{"REGISTRY_HTTP_DEBUG_ADDR=" + n.debug, "HTTP_PROXY=http://127.0.0.1:1"}
	eventually(t, func() string { // the store has two seconds to answer
		if code, stdout, stderr := invoke(t, env, "health"); code != exitOK || stdout != "The node is ready.\n" || stderr != "" {
			return fmt.Sprintf("exit %d: %s%s", code, stdout, stderr)
		}
		return ""
	})
	stop()
	if code, stdout, stderr := invoke(t, env, "health"); code != exitError || stdout != "" || !strings.Contains(stderr, "no node answers at http://"+n.debug+"/readyz") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// TestHealthPassesOnWhatTheNodeSays has a node that drains, as far as its answer goes.
func TestHealthPassesOnWhatTheNodeSays(t *testing.T) {
	t.Parallel()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Error(w, "this node is draining; send requests to another one", http.StatusServiceUnavailable)
	}))
	t.Cleanup(node.Close)
	const want = "registryd: the node is not ready: this node is draining; send requests to another one\n"
	eventually(t, func() string { // it has five seconds to answer
		code, stdout, stderr := invoke(t, []string{"REGISTRY_HTTP_DEBUG_ADDR=" + node.Listener.Addr().String()}, "health")
		if code != exitError || stdout != "" || stderr != want {
			return fmt.Sprintf("exit %d: %s%s", code, stdout, stderr)
		}
		return ""
	})
}

func TestReadyURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ addr, want, problem string }{
		{"127.0.0.1:5001", "http://127.0.0.1:5001/readyz", ""},
		{":5001", "http://127.0.0.1:5001/readyz", ""},
		{"0.0.0.0:5001", "http://127.0.0.1:5001/readyz", ""},
		{"[::]:5001", "http://127.0.0.1:5001/readyz", ""},
		{"[::1]:5001", "http://[::1]:5001/readyz", ""},
		{"node-1:5001", "http://node-1:5001/readyz", ""},
		{"", "", "set http.debug.addr"},
		{"127.0.0.1:0", "", "port 0"},
		{"127.0.0.1", "", "write host:port"},
	} {
		got, err := readyURL(tt.addr)
		if got != tt.want || (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("readyURL(%q) is %q, %v", tt.addr, got, err)
		}
	}
}
