package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
)

// uploading is a PATCH of ten bytes of which five are there, seen by the node; path is where it goes on.
func uploading(t *testing.T, n *node) (c net.Conn, answers *bufio.Reader, path string) {
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
	fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", at.RequestURI(), n.addr)
	answers = bufio.NewReader(c)
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("the upload does not start: %v, %v", resp, err)
	}
	write(t, c, "01234")
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
	c, answers, _ := uploading(t, n)
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
	_, answers, path := uploading(t, n)
	terminate(t, cmd)
	n.until(t, "registryd has stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatalf("cut off without an answer: %v", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		t.Errorf("half an upload was answered with %s", resp.Status)
	}

	again, _ := start(t, quietEnv, quiet(data)...)
	if resp, err = http.Get("http://" + again.addr + path); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Range") != "0-4" {
		t.Errorf("after a restart: %s, Range: %q", resp.Status, resp.Header.Get("Range"))
	}
}

func TestASecondSIGTERMStopsAtOnce(t *testing.T) {
	t.Parallel()
	n, cmd := spawn(t, nil, quiet(t.TempDir())...)
	uploading(t, n)
	terminate(t, cmd)
	n.until(t, "draining")
	terminate(t, cmd)
	var status *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &status) || status.ExitCode() != exitError {
		t.Errorf("ended with %v, want exit code %d", err, exitError)
	}
}
