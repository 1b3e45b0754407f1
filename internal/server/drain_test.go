package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainLetsARunningRequestFinish(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	opts := options(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(body), err)
	})
	main, debug := tcp(t), tcp(t)
	stop, done := run(t, opts, main, debug)
	c, err := net.Dial("tcp", main.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
	<-arrived
	stop()
	for { // until the listener is seen closed; what is accepted meanwhile sees a node that is draining
		again, err := net.Dial("tcp", main.Addr().String())
		if err != nil {
			break
		}
		again.Close()
	}
	if status, body := get(t, debug, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("/readyz while draining: %d %s", status, body)
	}
	if status, _ := get(t, debug, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while draining: %d", status)
	}
	send(t, c, "cd")
	if resp, body := answer(t, c); body != "abcd<nil>" || !resp.Close {
		t.Errorf("got %q, closing: %v", body, resp.Close)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", debug.Addr().String()); err == nil {
		t.Error("the debug listener is still open")
	}
}

func TestDrainEndsAtTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		var got, cause error
		opts := options(func(w http.ResponseWriter, r *http.Request) {
			_, got = io.ReadAll(r.Body)
			<-r.Context().Done()
			cause = context.Cause(r.Context())
			fmt.Fprint(w, "kept")
		})
		stop, done := run(t, opts, l, nil)
		c := l.dial(t)
		var client sync.WaitGroup
		client.Go(func() { // an upload that goes on for ever
			if _, err := io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
				return
			}
			for {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				pass(time.Second)
			}
		})
		synctest.Wait()
		start := time.Now()
		stop()
		if _, body := answer(t, c); body != "kept" {
			t.Errorf("got %q", body)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < time.Minute || d > time.Minute+2*time.Second {
			t.Errorf("drained after %v, want the grace period", d)
		}
		if cause != ErrDraining {
			t.Errorf("the request ended because of %v", cause)
		}
		if !errors.Is(got, ErrDraining) || !errors.Is(got, context.Canceled) {
			t.Errorf("the body failed with %v", got)
		}
		c.Close()
		client.Wait()
	})
}

func TestDrainCutsOffWhatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		deaf := make(chan struct{})
		stop, done := run(t, options(func(http.ResponseWriter, *http.Request) { <-deaf }), l, nil)
		c := l.dial(t)
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		start := time.Now()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Minute+15*time.Second {
			t.Errorf("gave up after %v", d)
		}
		close(deaf)
		c.Close()
	})
}

func TestServeTellsAFailingListener(t *testing.T) {
	t.Parallel()
	l := tcp(t)
	l.Close()
	_, done := run(t, options(nil), l, nil)
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestListenNamesTheAddress(t *testing.T) {
	t.Parallel()
	l := tcp(t)
	defer l.Close()
	_, err := Listen(t.Context(), "http.addr", l.Addr().String())
	want := l.Addr().String() + " (http.addr) is in use by another process; stop that one, or set http.addr to another address"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
