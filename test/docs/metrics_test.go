package docs_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	dashboard  = "deploy/grafana/registryd.json"
	alerts     = "deploy/prometheus/alerts.yml"
	ruleFile   = "deploy/k8s/components/monitoring/prometheusrule.yaml"
	operations = "docs/operations.md"
)

// TestMetrics looks for each metric that the dashboard and the alerts ask for among those of two nodes, one of them with a Redis that is away. The labels
// that they ask for must be there too. What a node shows only once something has happened is looked for in the sources.
func TestMetrics(t *testing.T) {
	t.Parallel()
	asked := make(map[string]map[string]bool)
	for file, expressions := range map[string][]string{dashboard: panelExpressions(t), alerts: alertExpressions(t)} {
		if len(expressions) == 0 {
			t.Fatalf("%s asks for nothing", file)
		}
		for _, expr := range expressions {
			ask(asked, expr)
		}
	}
	program := filepath.Join(t.TempDir(), "registryd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/registryd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	endpoint := `REGISTRY_NOTIFICATIONS_ENDPOINTS=[{name: nobody, url: "http://127.0.0.1:9/", allowprivate: true}]`
	nodes := []string{measured(t, program, endpoint), measured(t, program, endpoint, "REGISTRY_REDIS_ADDRS=127.0.0.1:9")}

	var missing []string
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); <-tick.C {
		shown := registered(t)
		for _, node := range nodes {
			show(shown, body(t, http.MethodGet, node+"/metrics"))
		}
		if missing = lacking(asked, shown); len(missing) == 0 {
			t.Logf("%d metrics are asked for", len(asked))
			return
		}
	}
	t.Errorf("the dashboard or the alerts ask for what no node shows: %s", strings.Join(missing, ", "))
}

// lacking names what is asked for and not shown.
func lacking(asked, shown map[string]map[string]bool) (missing []string) {
	for name, labels := range asked {
		if shown[name] == nil {
			missing = append(missing, name)
			continue
		}
		for label := range labels {
			if !shown[name][label] {
				missing = append(missing, fmt.Sprintf("%s{%s}", name, label))
			}
		}
	}
	slices.Sort(missing)
	return missing
}

var (
	selector  = regexp.MustCompile(`\b((?:registryd|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher   = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	sample    = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{([^}]*)\})? `)
	histogram = regexp.MustCompile(`_bucket$`)
)

// ask notes the metrics and labels of an expression. namespace, job and instance are Prometheus's own.
func ask(asked map[string]map[string]bool, expr string) {
	for _, found := range selector.FindAllStringSubmatch(expr, -1) {
		name := found[1]
		if asked[name] == nil {
			asked[name] = make(map[string]bool)
		}
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains([]string{"namespace", "job", "instance"}, label[1]) {
				asked[name][label[1]] = true
			}
		}
	}
	if strings.Contains(expr, "histogram_quantile") != (histogram.MatchString(selector.FindStringSubmatch(expr)[1])) {
		asked["a histogram that is asked for by a quantile of its buckets in "+expr] = nil
	}
}

// show notes the metrics of a node.
func show(shown map[string]map[string]bool, text string) {
	for _, found := range sample.FindAllStringSubmatch(text, -1) {
		if shown[found[1]] == nil {
			shown[found[1]] = make(map[string]bool)
		}
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			shown[found[1]][label[1]] = true
		}
	}
}

var vector = regexp.MustCompile(`(?s)Vec\(prometheus\.\w+Opts\{\s*Name: "(registryd_[a-z_]+)".{0,600}?\}, \[\]string\{([^}]*)\}\)`)

// registered gives the metrics with labels that the sources name in full.
func registered(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := make(map[string]map[string]bool)
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range vector.FindAllStringSubmatch(string(text), -1) {
			labels := make(map[string]bool)
			for label := range strings.SplitSeq(found[2], ",") {
				labels[strings.Trim(strings.TrimSpace(label), `"`)] = true
			}
			all[found[1]], all[found[1]+"_bucket"] = labels, labels
		}
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("the sources name no metrics: %v", err)
	}
	return all
}

func panelExpressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			Description string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	for _, panel := range board.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && (len(panel.Targets) == 0 || !strings.HasSuffix(panel.Description, ".")) {
			t.Errorf("the panel %q lacks a query, or a sentence that says what it shows", panel.Title)
		}
		for _, target := range panel.Targets {
			if strings.Contains(target.Expr, "registryd_") || strings.Contains(target.Expr, "process_") || strings.Contains(target.Expr, "go_") {
				all = append(all, target.Expr)
			}
		}
	}
	return all
}

type ruleGroups struct {
	Groups []struct {
		Name  string
		Rules []struct{ Alert, Expr string }
	}
}

func alertExpressions(t *testing.T) (all []string) {
	t.Helper()
	var file ruleGroups
	if err := yaml.Unmarshal([]byte(read(t, alerts)), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if selector.MatchString(rule.Expr) {
				all = append(all, rule.Expr)
			}
		}
	}
	return all
}

// measured starts a node that was asked for a manifest, and gives the URL of its debug listener. It is stopped when the test ends.
func measured(t *testing.T, program string, env ...string) string {
	t.Helper()
	cmd := exec.Command(program, "--addr", "127.0.0.1:0", "--data", t.TempDir())
	cmd.Env = append(env, "REGISTRY_HTTP_DEBUG_ADDR=127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	read := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("registryd did not end well: %v", err)
		}
	})
	for {
		text, err := lines.ReadBytes('\n')
		var line struct{ Msg, Addr, Debug string }
		if err == nil {
			err = json.Unmarshal(text, &line)
		}
		if err != nil {
			close(read)
			t.Fatalf("registryd did not get ready: %v, %s", err, text)
		}
		if line.Msg == "registryd is ready" {
			go func() { _, _ = io.Copy(io.Discard, lines); close(read) }()
			body(t, http.MethodGet, "http://"+line.Addr+"/v2/a/manifests/b")
			return "http://" + line.Debug
		}
	}
}

func body(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestAlerts holds the rules for the Prometheus operator against the file for Prometheus, which it is written from, and the document against both.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text := read(t, alerts)
	_, groups, ok := strings.Cut(text, "\ngroups:\n")
	if !ok {
		t.Fatalf("%s has no groups", alerts)
	}
	var want bytes.Buffer
	want.WriteString("# Written from deploy/prometheus/alerts.yml: go test ./test/docs -run TestAlerts -update\n")
	want.WriteString("apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: registryd\nspec:\n  groups:\n")
	for line := range strings.Lines(groups) {
		want.WriteString("  " + line)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, ruleFile), want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if read(t, ruleFile) != want.String() {
		t.Errorf("%s is not what %s says; go test ./test/docs -run TestAlerts -update writes it anew", ruleFile, alerts)
	}

	var file ruleGroups
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	document := read(t, operations)
	named := make(map[string]bool)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			named[rule.Alert] = true
			if !strings.Contains(document, "| `"+rule.Alert+"` |") {
				t.Errorf("%s does not say what %s means and what to do", operations, rule.Alert)
			}
		}
	}
	for _, found := range regexp.MustCompile("`(Registryd[A-Za-z]+)`").FindAllStringSubmatch(document, -1) {
		if !named[found[1]] {
			t.Errorf("%s tells of %s, of which there are only %v", operations, found[1], slices.Sorted(maps.Keys(named)))
		}
	}
}
