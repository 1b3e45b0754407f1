// Package docs_test runs what the documents show, and compares what they list with the program.
package docs_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/registryd/registryd/internal/config"
)

const root = "../.."

var update = flag.Bool("update", false, "write the table of docs/configuration.md anew")

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var example = regexp.MustCompile("(?ms)^<!-- test -->\n+```sh\n(.*?)^```$")

// TestExamples runs each marked example of the README against a registry of its own, as if somebody had copied it.
func TestExamples(t *testing.T) {
	t.Parallel()
	examples := example.FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(examples) == 0 {
		t.Fatal("README.md has no example that is marked with <!-- test -->")
	}
	program := filepath.Join(t.TempDir(), "registryd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/registryd")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, found := range examples {
		t.Run(fmt.Sprint("example ", i+1), func(t *testing.T) {
			t.Parallel()
			script := strings.ReplaceAll(found[1], "localhost:5000", serve(t, program))
			shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
			shell.Dir, shell.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH")}
			out, err := shell.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// serve starts a registry on a free port and gives its address. It is drained when the test ends.
func serve(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "--addr", "127.0.0.1:0", "--data", t.TempDir())
	cmd.Env = []string{"REGISTRY_HTTP_DEBUG_ADDR="}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, lines)
		if err := cmd.Wait(); err != nil {
			t.Errorf("registryd did not end well: %v", err)
		}
	})
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("registryd did not get ready: %v", err)
		}
		var line struct{ Msg, Addr string }
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("registryd said %s", text)
		}
		if line.Msg == "registryd is ready" {
			return line.Addr
		}
	}
}

const settings = "docs/configuration.md"

var table = regexp.MustCompile(`(?s)\| Key \|.*?\n\n`)

// TestSettings holds the table of settings against what the program knows: every key, its variable, its default and what it means.
func TestSettings(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	want.WriteString("| Key | Variable | Default | |\n|---|---|---|---|\n")
	for _, key := range config.Keys() {
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", key.Path, code(key.Env), code(key.Default), key.Doc)
	}
	want.WriteString("\n")
	text := read(t, settings)
	got := table.FindString(text)
	if got == want.String() {
		return
	}
	if *update {
		text = strings.Replace(text, got, want.String(), 1)
		if err := os.WriteFile(filepath.Join(root, settings), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s lists other settings than there are; go test ./test/docs -update writes this table:\n%s", settings, want.String())
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

var configuration = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestConfigurations loads each configuration that the README, docs/configuration.md or docs/events.md shows: nothing is wrong with it, and nothing to warn of.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	shown := configuration.FindAllStringSubmatch(read(t, "README.md")+read(t, settings)+read(t, eventsPage), -1)
	if len(shown) == 0 {
		t.Fatal("no configuration is shown")
	}
	for _, found := range shown {
		file := filepath.Join(t.TempDir(), "config.yml")
		if err := os.WriteFile(file, []byte(found[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if loaded, err := config.Load(config.Sources{File: file}); err != nil || len(loaded.Warnings) > 0 {
			t.Errorf("%v, %q for\n%s", err, loaded.Warnings, found[1])
		}
	}
}

var cell = regexp.MustCompile("`([a-z0-9.]+)`")

// TestMoved gives the program each key of CNCF Distribution that the document has a table for.
func TestMoved(t *testing.T) {
	t.Parallel()
	_, tables, _ := strings.Cut(read(t, settings), "### Accepted")
	accepted, refused, ok := strings.Cut(tables, "### Refused")
	if !ok {
		t.Fatalf("%s has lost its headings", settings)
	}
	for _, part := range []struct {
		text string
		ok   bool
	}{{accepted, true}, {refused, false}} {
		keys := 0
		for line := range strings.Lines(part.text) {
			row, ok := strings.CutPrefix(line, "|")
			if !ok {
				continue
			}
			first, _, _ := strings.Cut(row, "|")
			for _, key := range cell.FindAllStringSubmatch(first, -1) {
				keys++
				variable := "REGISTRY_" + strings.ToUpper(strings.ReplaceAll(key[1], ".", "_")) + "=x"
				loaded, err := config.Load(config.Sources{Env: []string{variable}})
				switch {
				case part.ok && (err != nil || len(loaded.Warnings) != 1):
					t.Errorf("%s is accepted, the document says; got %v, %q", key[1], err, loaded.Warnings)
				case !part.ok && (err == nil || !strings.Contains(err.Error(), "is not available")):
					t.Errorf("%s is refused, the document says; got %v", key[1], err)
				}
			}
		}
		if keys == 0 {
			t.Error("a table has no keys")
		}
	}
}

var named = regexp.MustCompile("(?:`|\\]\\()((?:\\./|\\.\\./)*(?:(?:cmd|internal|test|docs|\\.ci)/[\\w./-]+|[A-Z]+\\.md|LICENSE|Makefile|\\d{4}-[\\w-]+\\.md))(?:#[\\w-]+)?[`)]")

// TestFilesExist looks for every file and folder that a document names, from the root of the repository or from the document's own folder.
func TestFilesExist(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	links := 0
	for _, document := range documents {
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range named.FindAllStringSubmatch(string(content), -1) {
			links++
			_, here := os.Stat(filepath.Join(filepath.Dir(document), link[1]))
			_, there := os.Stat(filepath.Join(root, link[1]))
			if here != nil && there != nil {
				t.Errorf("%s names %s, which does not exist", strings.TrimPrefix(document, root+"/"), link[1])
			}
		}
	}
	if links == 0 {
		t.Error("the documents name no file at all")
	}
}
