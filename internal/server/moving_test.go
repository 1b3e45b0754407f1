package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests run on fake time: two hours take no longer than two seconds.

func TestASlowBodyLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		stop, done := run(t, options(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
		}), l, nil)
		c := l.dial(t)
		start := time.Now()
		send(t, c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 144\r\n\r\n")
		for range 144 {
			pass(50 * time.Second)
			send(t, c, "x")
		}
		if _, body := answer(t, c); body != "144 <nil>" || time.Since(start) != 2*time.Hour {
			t.Errorf("after %v: %s", time.Since(start), body)
		}
		c.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAStalledBodyIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		failed := make(chan error, 1)
		stop, done := run(t, options(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			failed <- err
			w.WriteHeader(http.StatusRequestTimeout)
		}), l, nil)
		c := l.dial(t)
		start := time.Now()
		send(t, c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
		if resp, _ := answer(t, c); resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
			t.Errorf("got %s, closing: %v", resp.Status, resp.Close)
		}
		if err := <-failed; !errors.Is(err, ErrStalled) || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		stop()
		<-done
	})
}

func TestAHandlerMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		stop, done := run(t, options(func(w http.ResponseWriter, r *http.Request) {
			one := make([]byte, 1)
			_, err1 := io.ReadFull(r.Body, one)
			pass(time.Hour) // the store is slow
			_, err2 := io.Copy(io.Discard, r.Body)
			pass(time.Hour) // the commit, too
			fmt.Fprint(w, err1, err2, r.Context().Err())
		}), l, nil)
		c := l.dial(t)
		for range 2 { // the second on the same connection
			send(t, c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n12")
			if _, body := answer(t, c); body != "<nil><nil><nil>" && body != "<nil> <nil> <nil>" {
				t.Error(body)
			}
		}
		c.Close()
		stop()
		<-done
	})
}

func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, how := range []string{"write", "copy"} {
			l := newPipes()
			failed := make(chan error, 1)
			stop, done := run(t, options(func(w http.ResponseWriter, r *http.Request) {
				var err error
				if how == "copy" {
					_, err = io.Copy(w, io.LimitReader(zeros{}, 1<<20))
				} else {
					_, err = w.Write(make([]byte, 1<<20))
				}
				failed <- err
			}), l, nil)
			c := l.dial(t)
			start := time.Now()
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if err := <-failed; err == nil || time.Since(start) != time.Minute {
				t.Errorf("%s, after %v: %v", how, time.Since(start), err)
			}
			c.Close()
			stop()
			<-done
		}
	})
}

func TestASlowReaderLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		const size = 1 << 20
		stop, done := run(t, options(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
		}), l, nil)
		c := l.dial(t)
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		// 2 KiB every second.
		if _, body := answer(t, slow{c}); len(body) != size {
			t.Errorf("got %d bytes", len(body))
		}
		c.Close()
		stop()
		<-done
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

type slow struct{ io.Reader }

func (s slow) Read(p []byte) (int, error) {
	pass(time.Second)
	return s.Reader.Read(p[:min(len(p), 2<<10)])
}

func TestSlowHeadersAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		opts := options(func(http.ResponseWriter, *http.Request) { t.Error("there was no request") })
		opts.HeaderTimeout = 10 * time.Second
		stop, done := run(t, opts, l, nil)
		c := l.dial(t)
		var client sync.WaitGroup
		client.Go(func() { // one byte a second, for ever
			for {
				if _, err := io.WriteString(c, "G"); err != nil {
					return
				}
				pass(time.Second)
			}
		})
		start := time.Now()
		_, _ = io.Copy(io.Discard, c)
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("cut after %v", d)
		}
		c.Close()
		client.Wait()
		stop()
		<-done
	})
}

func TestWriterKeepsFlush(t *testing.T) {
	t.Parallel()
	opts := options(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
		if n, err := io.WriteString(w, "abc"); n != 3 || err != nil {
			t.Errorf("wrote %d bytes: %v", n, err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	l := tcp(t)
	run(t, opts, l, nil)
	if _, body := get(t, l, "/"); body != "abc" {
		t.Errorf("got %q", body)
	}
}
