package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	t.Parallel()
	n, stop := start(t, quietEnv, quiet(filepath.Join(t.TempDir(), "new", "data"))...)
	port := n.addr[strings.LastIndexByte(n.addr, ':'):]
	if want := "docker tag IMAGE localhost" + port + "/NAME:TAG && docker push localhost" + port + "/NAME:TAG"; n.ready.text("try") != want {
		t.Errorf("the ready line says %q, want %q", n.ready.text("try"), want)
	}
	if len(n.before) > 0 {
		t.Errorf("warned of nothing: %v", n.before)
	}
	for _, tt := range []struct{ url, body string }{
		{n.addr + "/v2/", ""},
		{n.addr + "/healthz", "ok"},
		{n.addr + "/readyz", "ok"},
		{n.debug + "/healthz", "ok"},
		{n.debug + "/readyz", "ok"},
		{n.debug + "/metrics", `registryd_http_requests_total{method="GET",route="base",status="200"} 1`},
		{n.debug + "/metrics", `registryd_driver_operations_total{op="ping",result="ok"} `},
		{n.debug + "/metrics", `registryd_build_info{`},
	} {
		eventually(t, func() string { // for /readyz the store has two seconds to answer
			if status, body := fetch(t, "http://"+tt.url); status != http.StatusOK || !strings.Contains(body, tt.body) {
				return fmt.Sprintf("%s: %d without %q: %s", tt.url, status, tt.body, body)
			}
			return ""
		})
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
}

func TestServeRefusesASecondOnTheSameData(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	start(t, quietEnv, quiet(data)...)
	code, _, stderr := invoke(t, quietEnv, quiet(data)...)
	if code != exitError || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "in use by another registryd") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestServeTakesAFileAsArgumentAndWarns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yml")
	text := "version: 0.1\nlog: {fields: {service: registry}}\nhttp: {addr: ':0'}\nstorage: {cache: {blobdescriptor: inmemory}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ := start(t, []string{"REGISTRY_HTTP_DEBUG_ADDR="}, "serve", "--data", t.TempDir(), file)
	if len(n.before) != 2 || !strings.Contains(n.before[0].text("msg"), "storage.cache has no effect") || !strings.Contains(n.before[1].text("msg"), "there is no authentication yet") {
		t.Errorf("warned: %v", n.before)
	}
	if n.ready.text("service") != "registry" || n.debug != "" {
		t.Errorf("ready: %v", n.ready)
	}
}

func TestServeWarnsOfWhatAVariableOverrides(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("http: {draindelay: 20s, draintimeout: 1h}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append([]string{"REGISTRY_CONFIGURATION_PATH=" + file, "REGISTRY_HTTP_DRAINDELAY=0s", "REGISTRY_HTTP_DRAINTIMEOUT=60m"}, quietEnv...)
	n, _ := start(t, env, quiet(t.TempDir())...)
	want := "config.yml, line 1: http.draindelay has no effect, because the variable REGISTRY_HTTP_DRAINDELAY"
	if len(n.before) != 1 || n.before[0].text("level") != "warn" || !strings.HasPrefix(n.before[0].text("msg"), want) {
		t.Errorf("warned: %v, want %s", n.before, want)
	}
}

func TestKeptSecret(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first, err := keptSecret(root)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := keptSecret(root); err != nil || again != first || len(first) != 64 {
		t.Errorf("first %d characters, then others: %v", len(first), err)
	}
	dir := filepath.Join(root, ".registryd")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	name := filepath.Join(dir, "secret")
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(name, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keptSecret(root); err == nil || !strings.Contains(err.Error(), "holds no secret") {
		t.Errorf("an empty secret gives %v", err)
	}
	if other, err := keptSecret(t.TempDir()); err != nil || other == first {
		t.Errorf("the same secret twice, or %v", err)
	}
}

func TestPushName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ host, addr, want string }{
		{"", "127.0.0.1:5000", "localhost:5000"},
		{"", "[::1]:5000", "localhost:5000"},
		{"", "[::]:5000", "localhost:5000"},
		{"", "10.0.0.1:5000", "10.0.0.1:5000"},
		{"https://registry.example.com", "[::]:5000", "registry.example.com"},
	} {
		if got := pushName(tt.host, tt.addr); got != tt.want {
			t.Errorf("pushName(%q, %q) is %q, want %q", tt.host, tt.addr, got, tt.want)
		}
	}
}
