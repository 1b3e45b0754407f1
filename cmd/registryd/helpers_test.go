package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary behave as registryd, for tests that need a process of their own.
const asProgram = "REGISTRYDTEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(m.Run())
}

// quiet listens on free ports only.
func quiet(data string, more ...string) []string {
	return append([]string{"--addr", "127.0.0.1:0", "--data", data}, more...)
}

var quietEnv = []string{"REGISTRY_HTTP_DEBUG_ADDR=127.0.0.1:0"}

// invoke runs a command to its end.
func invoke(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// patience is how long a test waits for what should come at once: it only ends a test that hangs, also on a machine that has a lot else to do.
const patience = 3 * time.Minute

// eventually looks again and again, until there is nothing to complain of.
func eventually(t *testing.T, look func() (complaint string)) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		complaint := look()
		if complaint == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(complaint)
		}
	}
}

// node is a registryd that serves.
type node struct {
	addr, debug string
	ready       line
	before      []line      // what it logged before it was ready
	log         chan string // what it logged since
}

type line map[string]any

func (l line) text(field string) string { s, _ := l[field].(string); return s }

// attach reads a log up to the ready line, and keeps the rest for next.
func attach(t *testing.T, log io.Reader) *node {
	t.Helper()
	n := &node{log: make(chan string, 1024)}
	go func() {
		defer close(n.log)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			select {
			case n.log <- lines.Text():
			default: // nobody is interested in so many
			}
		}
	}()
	for {
		l := n.next(t)
		if l.text("msg") == "registryd is ready" {
			n.ready, n.addr, n.debug = l, l.text("addr"), l.text("debug")
			return n
		}
		n.before = append(n.before, l)
	}
}

// next gives the next line of the log.
func (n *node) next(t *testing.T) line {
	t.Helper()
	var text string
	select {
	case line, ok := <-n.log:
		if !ok {
			t.Fatal("the log ended")
		}
		text = line
	case <-time.After(patience):
		t.Fatal("the log does not go on")
	}
	var l line
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatalf("the log has a line that is not JSON: %s", text)
	}
	return l
}

// until skips to the line with that message.
func (n *node) until(t *testing.T, msg string) line {
	t.Helper()
	for {
		if l := n.next(t); strings.HasPrefix(l.text("msg"), msg) {
			return l
		}
	}
}

// start serves within this process; stop drains it and gives its exit code.
func start(t *testing.T, env []string, args ...string) (n *node, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, env, strings.NewReader(""), io.Discard, w)
		w.Close()
	}()
	n = attach(t, r)
	stop = func() int {
		cancel()
		c := <-code
		code <- c
		return c
	}
	t.Cleanup(func() { stop() })
	return n, stop
}

// spawn serves in a process of its own.
func spawn(t *testing.T, env []string, args ...string) (*node, *exec.Cmd) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(append([]string{asProgram + "=1"}, quietEnv...), env...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // before its directory is removed
	})
	return attach(t, log), cmd
}
