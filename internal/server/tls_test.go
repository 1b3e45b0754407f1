package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// over makes a server with TLS, and a client that speaks HTTP/2 to it.
func over(t *testing.T, opts Options) (*http.Client, string) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	opts.TLS = &tls.Config{Certificates: borrowed.TLS.Certificates}
	transport := borrowed.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	t.Cleanup(transport.CloseIdleConnections)
	l := tcp(t)
	run(t, opts, l, nil)
	return &http.Client{Transport: transport}, "https://" + l.Addr().String()
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	client, url := over(t, options(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	sent := strings.Repeat("x", 1<<20)
	resp, err := client.Post(url, "", strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != sent || resp.ProtoMajor != 2 {
		t.Errorf("%s: got %d bytes back, %v", resp.Proto, len(got), err)
	}
}

func TestHTTP2StalledBodyIsCut(t *testing.T) {
	t.Parallel()
	borrowed := httptest.NewTLSServer(nil)
	defer borrowed.Close()
	trusting := borrowed.Client().Transport.(*http.Transport).Clone()
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		opts := options(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			failed <- err
			w.WriteHeader(http.StatusRequestTimeout)
		})
		// A pipe holds nothing, and tickets would come before the client listens.
		opts.TLS = &tls.Config{Certificates: borrowed.TLS.Certificates, SessionTicketsDisabled: true}
		l := newPipes()
		stop, done := run(t, opts, l, nil)
		trusting.ForceAttemptHTTP2 = true
		trusting.DialContext = func(context.Context, string, string) (net.Conn, error) { return l.dial(t), nil }
		body, never := io.Pipe()
		start := time.Now()
		resp, err := (&http.Client{Transport: trusting, Timeout: time.Hour}).Post("https://example.com/", "", body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if err := <-failed; !errors.Is(err, ErrStalled) || resp.StatusCode != http.StatusRequestTimeout || resp.ProtoMajor != 2 || time.Since(start) != time.Minute {
			t.Errorf("%s %s, after %v, and the body failed with %v", resp.Proto, resp.Status, time.Since(start), err)
		}
		never.Close()
		trusting.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
