package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestHTTPCounts(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewHTTP(reg)
	requests := []Request{
		{Route: "blob", Method: "GET", Status: 200, Out: 100, Duration: 2 * time.Second},
		{Route: "blob", Method: "GET", Status: 200, Out: 100, Duration: 2 * time.Second},
		{Route: "manifest", Method: "PUT", Status: 201, In: 7, Duration: time.Millisecond},
		{Route: "none", Method: "BREW", Status: 405},
	}
	for _, r := range requests {
		m.Begin(r.Upload)
		m.End(r)
	}
	m.Begin(true)
	const want = `
# HELP registryd_http_in_bytes_total Bytes of request bodies read.
# TYPE registryd_http_in_bytes_total counter
registryd_http_in_bytes_total{route="blob"} 0
registryd_http_in_bytes_total{route="manifest"} 7
registryd_http_in_bytes_total{route="none"} 0
# HELP registryd_http_in_flight Requests being answered now.
# TYPE registryd_http_in_flight gauge
registryd_http_in_flight 1
# HELP registryd_http_out_bytes_total Bytes of answers written, without their headers.
# TYPE registryd_http_out_bytes_total counter
registryd_http_out_bytes_total{route="blob"} 200
registryd_http_out_bytes_total{route="manifest"} 0
registryd_http_out_bytes_total{route="none"} 0
# HELP registryd_http_requests_total Requests answered.
# TYPE registryd_http_requests_total counter
registryd_http_requests_total{method="GET",route="blob",status="200"} 2
registryd_http_requests_total{method="PUT",route="manifest",status="201"} 1
registryd_http_requests_total{method="other",route="none",status="405"} 1
# HELP registryd_uploads_in_flight Requests that bring the bytes of a blob now.
# TYPE registryd_uploads_in_flight gauge
registryd_uploads_in_flight 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "registryd_http_in_bytes_total", "registryd_http_in_flight",
		"registryd_http_out_bytes_total", "registryd_http_requests_total", "registryd_uploads_in_flight"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(m.duration); n != 3 {
		t.Errorf("%d routes and methods timed, want 3", n)
	}
	m.End(Request{Route: "upload", Upload: true, Method: "PATCH", Status: 202})
	if a, b := testutil.ToFloat64(m.inFlight), testutil.ToFloat64(m.uploads); a != 0 || b != 0 {
		t.Errorf("%v requests and %v uploads in flight at the end, want none", a, b)
	}
}

func TestRegistryKnowsTheBuild(t *testing.T) {
	t.Parallel()
	reg := NewRegistry("v1.2.3", "abc")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"registryd_build_info", "go_goroutines", "process_open_fds"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
