package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestALeavingNodeServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		opts := options(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") })
		opts.Delay = 10 * time.Second
		stop, done := run(t, opts, l, nil)
		kept := l.dial(t)
		send(t, kept, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, _ := answer(t, kept); resp.Close {
			t.Error("a connection is closed although the node stays")
		}
		start := time.Now()
		stop()
		pass(5 * time.Second)
		for name, c := range map[string]net.Conn{"kept": kept, "new": l.dial(t)} {
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp, body := answer(t, c); body != "served" || !resp.Close {
				t.Errorf("on a %s connection: %q, closing: %v", name, body, resp.Close)
			}
			c.Close()
		}
		c := l.dial(t)
		send(t, c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, body := answer(t, c); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
			t.Errorf("/readyz: %d %s", resp.StatusCode, body)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 10*time.Second || d > 12*time.Second {
			t.Errorf("left after %v", d)
		}
	})
}

// TestALongRequestSaysGoodbye: what began before the node had to leave is answered after, on a connection that the client would use again.
func TestALongRequestSaysGoodbye(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(http.ResponseWriter)
	}{
		{"a status", func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }},
		{"a body", func(w http.ResponseWriter) { fmt.Fprint(w, "done") }},
		{"a flush", func(w http.ResponseWriter) { w.(http.Flusher).Flush() }},
		{"nothing", func(http.ResponseWriter) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				opts := options(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.ReadAll(r.Body)
					tc.end(w)
				})
				opts.Delay = 10 * time.Second
				stop, done := run(t, opts, l, nil)
				c := l.dial(t)
				send(t, c, "PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
				synctest.Wait()
				stop()
				pass(time.Second)
				send(t, c, "cd")
				if resp, _ := answer(t, c); !resp.Close {
					t.Errorf("%d, and the connection stays", resp.StatusCode)
				}
				c.Close()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestALongAnswerThatCouldNotSayGoodbye: its headers were on their way before the node had to leave, so that its client uses the connection again, once the
// body has ended. It still can, for a while.
func TestALongAnswerThatCouldNotSayGoodbye(t *testing.T) {
	for _, delay := range []time.Duration{0, 10 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				ends := make(chan struct{})
				opts := options(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						return
					}
					w.Header().Set("Content-Length", "4")
					fmt.Fprint(w, "ab")
					_ = http.NewResponseController(w).Flush()
					<-ends
					fmt.Fprint(w, "cd")
				})
				opts.Delay = delay
				stop, done := run(t, opts, l, nil)
				long, idle, again := l.dial(t), l.dial(t), l.dial(t)
				for _, c := range []net.Conn{idle, again} {
					send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
					if resp, _ := answer(t, c); resp.Close {
						t.Error("a connection is closed although the node stays")
					}
				}
				send(t, long, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				from := bufio.NewReader(long)
				resp, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Fatal(err)
				}
				stop()
				pass(20 * time.Second)
				send(t, again, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") // while something runs, what is open is served
				if resp, _ := answer(t, again); !resp.Close {
					t.Error("a connection stays although the node leaves")
				}
				close(ends)
				if body, err := io.ReadAll(resp.Body); string(body) != "abcd" || err != nil || resp.Close {
					t.Errorf("%q, %v, closing: %v", body, err, resp.Close)
				}
				ended := time.Now()
				pass(4 * time.Second)
				send(t, long, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
				if resp, err := http.ReadResponse(from, nil); err != nil || !resp.Close {
					t.Errorf("the next request: %v, %v", resp, err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if d := time.Since(ended); d < 5*time.Second || d > 7*time.Second {
					t.Errorf("left %v after the end of the long answer", d)
				}
				for _, c := range []net.Conn{long, idle, again} {
					c.Close()
				}
			})
		})
	}
}

func TestAListenerThatFailsEndsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		opts := options(nil)
		opts.Delay = time.Hour
		stop, done := run(t, opts, l, nil)
		start := time.Now()
		stop()
		synctest.Wait()
		l.Close()
		if err := <-done; err == nil || time.Since(start) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
