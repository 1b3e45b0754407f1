package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// figures are the metrics of a node now, by name and labels as they are written.
func (n *node) figures(t *testing.T) map[string]float64 {
	t.Helper()
	status, text := fetch(t, "http://"+n.debug+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("the metrics: %d %s", status, text)
	}
	all := make(map[string]float64)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || name == "#" {
			continue
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = number
		}
	}
	return all
}

// comesTo waits until a metric is there with that value.
func (n *node) comesTo(t *testing.T, name string, want func(float64) bool) {
	t.Helper()
	eventually(t, func() string {
		if got, ok := n.figures(t)[name]; !ok || !want(got) {
			return fmt.Sprintf("%s is %v, shown: %v", name, got, ok)
		}
		return ""
	})
}

// TestFiguresOfADirectory: a node alone looks after the journal, and its uploads share no memory.
func TestFiguresOfADirectory(t *testing.T) {
	t.Parallel()
	n, _ := start(t, quietEnv, quiet(t.TempDir())...)
	n.comesTo(t, `registryd_lease_held{lease="relay"}`, func(v float64) bool { return v == 1 })
	for _, name := range []string{"bytes", "limit_bytes", "waited_total", "refused_total"} {
		if v, ok := n.figures(t)["registryd_uploads_memory_"+name]; !ok || v != 0 {
			t.Errorf("registryd_uploads_memory_%s is %v, shown: %v; want 0", name, v, ok)
		}
	}
}
