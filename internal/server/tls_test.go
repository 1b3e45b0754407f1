package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
	failed := make(chan error, 1)
	opts := options(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
		w.WriteHeader(http.StatusRequestTimeout)
	})
	opts.BodyTimeout = 50 * time.Millisecond
	client, url := over(t, opts)
	body, never := io.Pipe()
	defer never.Close()
	resp, err := client.Post(url, "", body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-failed; !errors.Is(err, ErrStalled) || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%s, and the body failed with %v", resp.Status, err)
	}
}
