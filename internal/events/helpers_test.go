package events

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// origin is that of a push through a load balancer.
func origin() Origin {
	return Origin{
		Registry: "https://registry.example.com",
		Request: Request{
			ID: "01K8Z3B9Q0000000000000000R", Addr: "192.0.2.10:41822", Host: "registry.example.com", Method: http.MethodPut,
			UserAgent: "docker/28.5.1 go/go1.24.9 <test> & co",
		},
		Actor:  Actor{Name: "ci"},
		Source: Source{Addr: "node-1:5000", InstanceID: "01K8Z3AAAA0000000000000000"},
	}
}

// fixed gives an event an id and a time that a test can know.
func fixed(e Event) Event {
	e.ID = "01K8Z3BBBB0000000000000000"
	e.Time = time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC)
	return e
}

func someEvent() Event {
	return fixed(samples["push-image"])
}

func d(content string) digest.Digest { return digest.FromString(content) }

// serve runs an endpoint. It ends with the test.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answers gives a handler that reads the request and answers with a status.
func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// sender makes a sender to a server on this machine, which may take its time unless opts say otherwise.
func sender(t testing.TB, opts Options) *Sender {
	t.Helper()
	opts.Name, opts.AllowPrivate, opts.Timeout = "test", true, cmp.Or(opts.Timeout, time.Minute)
	e, err := NewEndpoint(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(e)
	t.Cleanup(s.Close)
	return s
}
