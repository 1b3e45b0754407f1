package fs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// childRoot, when set, makes the test binary another process that works on the directory it names.
const childRoot = "REGISTRYD_FS_TEST_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		if err := child(root); err != nil {
			fmt.Println("error:", err)
		}
		return
	}
	os.Exit(m.Run())
}

// child uploads without end: it says when a point was saved, and stops reading in the middle of what comes then.
func child(root string) error {
	d, err := Open(root, Options{})
	if err != nil {
		return err
	}
	fmt.Println("opened")
	src := &counting{to: 1 << 50, stopAt: drivers.SaveInterval + 5<<20, stopped: func() {
		fmt.Println("stopped")
		select {}
	}}
	_, err = d.Append(context.Background(), drivers.Session{}, "data/child", src, func(s drivers.Session) error {
		b, err := json.Marshal(s)
		fmt.Printf("saved %s\n", b)
		return err
	})
	return err
}

// startChild runs this test binary on root and gives the lines it prints.
func startChild(t *testing.T, root string) (cmd *exec.Cmd, line func() string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRoot+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	return cmd, func() string {
		lines.Scan()
		return lines.Text()
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openHere(t, root, Options{})
	cmd, line := startChild(t, root)
	want := fmt.Sprintf("error: %s is in use by another registryd (process %d): stop that one first, or give this one a directory of its own", root, os.Getpid())
	if got := line(); got != want {
		t.Errorf("the second process says\n%s, want\n%s", got, want)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := Open(root, Options{}); err == nil || !strings.Contains(err.Error(), "is in use by another registryd") {
		t.Errorf("opening it twice in one process gave %v", err)
	}
	put(t, d, "still/here", "x")
}

func TestKilledInTheMiddleOfAnAppend(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cmd, line := startChild(t, root)
	if got := line(); got != "opened" {
		t.Fatal(got)
	}
	var saved drivers.Session
	if b, ok := strings.CutPrefix(line(), "saved "); !ok || json.Unmarshal([]byte(b), &saved) != nil {
		t.Fatalf("got %q", b)
	}
	if got := line(); got != "stopped" {
		t.Fatal(got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error says that it was killed

	d := openHere(t, root, Options{})
	if fi, err := os.Stat(root + "/" + staged(saved.Key)); err != nil || fi.Size() <= saved.Offset {
		t.Fatalf("there is no torn tail to go on behind: %v, %v", fi, err)
	}
	const size = drivers.SaveInterval + 9<<20
	s, err := d.Append(t.Context(), saved, "data/resumed", &counting{from: saved.Offset, to: size}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Commit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r, info, err := d.Open(t.Context(), s.Key, 0, -1)
	if err != nil || info.Size != size {
		t.Fatalf("got %+v, %v", info, err)
	}
	defer r.Close()
	same(t, r, &counting{to: size})
}

// counting is a Source of 8-byte numbers, each of which is its own offset.
type counting struct {
	from, to int64
	stopAt   int64 // where stopped is called, if not 0
	stopped  func()
}

func (c *counting) Read(p []byte) (int, error) {
	if c.stopAt > 0 && c.from >= c.stopAt {
		c.stopped()
	}
	if c.from == c.to {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.to-c.from)]
	for i := range p {
		at := c.from + int64(i)
		p[i] = byte(at >> (at % 4 * 8))
	}
	c.from += int64(len(p))
	return len(p), nil
}

func (c *counting) Mark() ([]byte, error) { return fmt.Append(nil, c.from), nil }

func same(t *testing.T, got, want io.Reader) {
	t.Helper()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, aerr := io.ReadFull(got, a)
		m, berr := io.ReadFull(want, b)
		if !bytes.Equal(a[:n], b[:m]) {
			t.Fatal("the bytes differ")
		}
		if aerr != nil || berr != nil {
			return
		}
	}
}

func put(t *testing.T, d *Driver, key, body string) drivers.Info {
	t.Helper()
	info, err := d.Put(t.Context(), key, strings.NewReader(body), drivers.Cond{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}
