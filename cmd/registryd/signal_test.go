package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// uploading is a PATCH of twice the bytes that are sent, and begun to be read by the node; path is where it goes on.
func uploading(t *testing.T, n *node, sent string) (c net.Conn, answers *bufio.Reader, path string) {
	t.Helper()
	resp, err := http.Post("http://"+n.addr+"/v2/a/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	at, err := resp.Location()
	if err != nil {
		t.Fatalf("%s without a Location", resp.Status)
	}
	if c, err = net.Dial("tcp", n.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", at.RequestURI(), n.addr, 2*len(sent))
	answers = bufio.NewReader(c)
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("the upload does not start: %v, %v", resp, err)
	}
	write(t, c, sent)
	return c, answers, at.RequestURI()
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func terminate(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func TestSIGTERMLetsAnUploadFinish(t *testing.T) {
	t.Parallel()
	n, cmd := spawn(t, nil, quiet(t.TempDir())...)
	c, answers, _ := uploading(t, n, "01234")
	terminate(t, cmd)
	n.until(t, "draining")
	write(t, c, "56789")
	resp, err := http.ReadResponse(answers, nil)
	if err != nil || resp.StatusCode != http.StatusAccepted || resp.Header.Get("Range") != "0-9" {
		t.Errorf("got %v, %v", resp, err)
	}
	n.until(t, "registryd has stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestAfterTheGracePeriodAnUploadIsKept(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n, cmd := spawn(t, []string{"REGISTRY_HTTP_DRAINTIMEOUT=10ms"}, quiet(data)...)
	sent := strings.Repeat("0123456789abcdef", 1<<20/16)
	_, answers, path := uploading(t, n, sent)
	var received int64 // what the node has read of it, at least: what is on its way in the end, it need not keep
	eventually(t, func() string {
		if received = stagedBytes(t, data); received < int64(len(sent))/2 {
			return fmt.Sprintf("of %d bytes, the node has taken %d", len(sent), received)
		}
		return ""
	})
	terminate(t, cmd)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatalf("cut off without an answer: %v", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		t.Errorf("half an upload was answered with %s", resp.Status)
	}
	n.until(t, "registryd has stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}

	again, _ := start(t, quietEnv, quiet(data)...)
	if resp, err = http.Get("http://" + again.addr + path); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var last int64
	if _, err := fmt.Sscanf(resp.Header.Get("Range"), "0-%d", &last); err != nil || resp.StatusCode != http.StatusNoContent || last+1 < received || last >= int64(len(sent)) {
		t.Errorf("after a restart: %s, Range: %q, of %d bytes sent and %d received", resp.Status, resp.Header.Get("Range"), len(sent), received)
	}
}

// stagedBytes is how much of uploads stands in a directory.
func stagedBytes(t *testing.T, data string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, ".registryd/staging/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			n += info.Size()
		}
	}
	return n
}

func TestASecondSIGTERMStopsAtOnce(t *testing.T) {
	t.Parallel()
	n, cmd := spawn(t, nil, quiet(t.TempDir())...)
	uploading(t, n, "01234")
	terminate(t, cmd)
	n.until(t, "draining")
	terminate(t, cmd)
	var status *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &status) || status.ExitCode() != exitError {
		t.Errorf("ended with %v, want exit code %d", err, exitError)
	}
}
