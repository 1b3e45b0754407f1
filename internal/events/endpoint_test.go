package events

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestEndpointDefaults(t *testing.T) {
	t.Parallel()
	e, err := NewEndpoint(Options{Name: "a.b_c-1", URL: "https://events.example.com/hook?x=1"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Timeout != 5*time.Second || e.Threshold != 10 || e.Backoff != time.Second || e.MaxBackoff != 10*time.Minute || e.MaxAttempts != 100 ||
		e.Format != DistributionV2 || e.Batch != 1 {
		t.Errorf("got the defaults %+v", struct{ Options }{e.Options})
	}
}

func TestEndpointsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Options){
		"no name":             func(o *Options) { o.Name = "" },
		"name with a slash":   func(o *Options) { o.Name = "a/b" },
		"name of dots":        func(o *Options) { o.Name = ".." },
		"long name":           func(o *Options) { o.Name = strings.Repeat("a", 65) },
		"no URL":              func(o *Options) { o.URL = "" },
		"path":                func(o *Options) { o.URL = "/hook" },
		"no host":             func(o *Options) { o.URL = "https://:443/hook" },
		"another scheme":      func(o *Options) { o.URL = "ftp://events.example.com" },
		"malformed URL":       func(o *Options) { o.URL = "https://user:hidden@exa mple.com" },
		"loopback":            func(o *Options) { o.URL = "http://127.0.0.1/" },
		"metadata":            func(o *Options) { o.URL, o.AllowPrivate = "http://169.254.169.254/latest", true },
		"link-local, by zone": func(o *Options) { o.URL, o.AllowPrivate = "http://[fe80::1%25eth0]/", true },
		"negative timeout":    func(o *Options) { o.Timeout = -1 },
		"negative threshold":  func(o *Options) { o.Threshold = -1 },
		"negative attempts":   func(o *Options) { o.MaxAttempts = -1 },
		"long backoff":        func(o *Options) { o.Backoff = 25 * time.Hour },
		"long maxbackoff":     func(o *Options) { o.MaxBackoff = 25 * time.Hour },
		"batch":               func(o *Options) { o.Batch = 1001 },
		"format":              func(o *Options) { o.Format = "v2" },
		"three secrets":       func(o *Options) { o.Secrets = [][]byte{{1}, {2}, {3}} },
		"empty secret":        func(o *Options) { o.Secrets = [][]byte{{}} },
		"action":              func(o *Options) { o.IgnoredActions = []Action{"pulls"} },
		"pattern":             func(o *Options) { o.Include = []string{"a//b"} },
	} {
		opts := Options{Name: "test", URL: "https://events.example.com"}
		spoil(&opts)
		if _, err := NewEndpoint(opts); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEndpointKeepsSecrets: whatever is done to print an endpoint, its name is all that comes out.
func TestEndpointKeepsSecrets(t *testing.T) {
	t.Parallel()
	e, err := NewEndpoint(Options{
		Name: "test", URL: "https://user:hidden@events.example.com", Headers: http.Header{"Authorization": {"hidden"}}, Secrets: [][]byte{[]byte("hidden")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, e); got != "test" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
