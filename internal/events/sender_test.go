package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// received is a request as an endpoint sees it.
type received struct {
	method string
	host   string
	header http.Header
	body   []byte
}

// keep puts each request into a channel, and takes it.
func keep(t *testing.T, into chan<- received) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		into <- received{r.Method, r.Host, r.Header, body}
		w.WriteHeader(http.StatusAccepted)
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	got := make(chan received, 1)
	url := serve(t, keep(t, got))
	s := sender(t, Options{
		URL:     strings.Replace(url, "//", "//user:pass@", 1),
		Headers: http.Header{"x-team": {"a", "b"}, "Content-Type": {"text/plain"}, "Host": {"events.example.com"}},
		Secrets: [][]byte{[]byte("new"), []byte("old")},
		Batch:   2,
	})
	if err := s.Send(t.Context(), someEvent(), someEvent()); err != nil {
		t.Fatal(err)
	}
	r := <-got
	user, password, _ := (&http.Request{Header: r.header}).BasicAuth()
	if r.method != http.MethodPost || r.host != "events.example.com" || user != "user" || password != "pass" ||
		!slices.Equal(r.header["X-Team"], []string{"a", "b"}) || !slices.Equal(r.header["Content-Type"], []string{MediaTypeV2}) {
		t.Errorf("%s to %s with %v", r.method, r.host, r.header)
	}
	var envelope consumed[consumedTarget3]
	if strict(t, r.body, &envelope); len(envelope.Events) != 2 || envelope.Events[0].ID != someEvent().ID {
		t.Errorf("the endpoint got %s", r.body)
	}
	for _, secret := range []string{"new", "old"} {
		if err := Verify(r.header.Get(SignatureHeader), r.body, []byte(secret), time.Minute, time.Now()); err != nil {
			t.Errorf("signature %s with the %s secret: %v", r.header.Get(SignatureHeader), secret, err)
		}
	}
}

func TestSendUnsigned(t *testing.T) {
	t.Parallel()
	got := make(chan received, 1)
	s := sender(t, Options{URL: serve(t, keep(t, got))})
	if err := s.Send(t.Context(), someEvent()); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.header.Get(SignatureHeader) != "" || r.header.Get("User-Agent") != "registryd" {
		t.Errorf("sent %v without a secret", r.header)
	}
	if err := s.Send(t.Context()); err != nil {
		t.Errorf("sending nothing: %v", err)
	}
	if err := s.Send(t.Context(), someEvent(), someEvent()); err == nil || errors.As(err, new(*Error)) {
		t.Errorf("two events to an endpoint that takes one: %v; want an error that is no verdict", err)
	}
}

// TestVerdicts: what each status comes to.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const delivered Verdict = -1
	for _, c := range []struct {
		status int
		want   Verdict
		after  time.Duration
	}{
		{200, delivered, 0}, {201, delivered, 0}, {202, delivered, 0}, {204, delivered, 0}, {299, delivered, 0},
		{300, Permanent, 0}, {301, Permanent, 0}, {302, Permanent, 0}, {304, Permanent, 0}, {307, Permanent, 0}, {308, Permanent, 0},
		{400, Permanent, 0}, {401, Permanent, 0}, {403, Permanent, 0}, {404, Permanent, 0}, {410, Permanent, 0}, {413, Permanent, 0}, {415, Permanent, 0},
		{408, Retry, 7 * time.Second}, {425, Retry, 7 * time.Second}, {429, Retry, 7 * time.Second},
		{500, Retry, 7 * time.Second}, {501, Retry, 7 * time.Second}, {502, Retry, 7 * time.Second}, {503, Retry, 7 * time.Second},
		{504, Retry, 7 * time.Second}, {599, Retry, 7 * time.Second}, {600, Retry, 7 * time.Second},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			t.Parallel()
			s := sender(t, Options{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, "why\n") // some statuses have no body
			})})
			err := s.Send(t.Context(), someEvent())
			if c.want == delivered {
				if err != nil {
					t.Errorf("got %v, want delivered", err)
				}
				return
			}
			failure := failureOf(t, err)
			if failure.Verdict != c.want || failure.Status != c.status || failure.RetryAfter != c.after || failure.Endpoint != "test" {
				t.Errorf("got %+v", failure)
			}
			if c.status != 304 && !strings.Contains(err.Error(), `"why\n"`) {
				t.Errorf("%q does not say what the endpoint said", err)
			}
			if (s.Paused() > 0) != (c.after > 0) {
				t.Errorf("paused for %s after Retry-After: %s", s.Paused(), c.after)
			}
		})
	}
}

func failureOf(t *testing.T, err error) *Error {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return failure
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	s := sender(t, Options{URL: serve(t, http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect).ServeHTTP)})
	if failure := failureOf(t, s.Send(t.Context(), someEvent())); failure.Verdict != Permanent || hits.Load() != 0 {
		t.Errorf("got %v, and %d requests where it was redirected to", failure, hits.Load())
	}
}

// TestConnectionsAreKept: many that send at once use as many connections, again and again.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	const atOnce, each = 8, 50
	var mu sync.Mutex
	clients := map[string]bool{}
	s := sender(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		clients[r.RemoteAddr] = true
		_ = json.NewEncoder(w).Encode("thanks")
	})})
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for range each {
				if err := s.Send(t.Context(), someEvent()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(clients) > atOnce*each/8 { // some are dialled in vain while others come back, more of them the busier the machine is
		t.Errorf("%d requests, %d at once, took %d connections", atOnce*each, atOnce, len(clients))
	}
}

// TestNoProxy: a proxy of the environment would dial whatever it likes. (That this machine is never reached through one hides it from other tests.)
func TestNoProxy(t *testing.T) {
	t.Parallel()
	if sender(t, Options{URL: "http://events.example.com"}).client.Transport.(*http.Transport).Proxy != nil {
		t.Error("the sender asks for a proxy")
	}
}

func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: answers(http.StatusNoContent)}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	s := sender(b, Options{URL: "http://" + l.Addr().String(), Secrets: [][]byte{[]byte("secret")}})
	event := someEvent()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Send(b.Context(), event); err != nil {
				b.Error(err)
			}
		}
	})
}
