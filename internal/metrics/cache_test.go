package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCache(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	now := CacheStats{Hits: map[string]uint64{"pointer": 0}, Misses: map[string]uint64{"pointer": 0}}
	Cache(reg, func() CacheStats { return now })
	now = CacheStats{Entries: 3, Bytes: 5000, Limit: 1 << 20, Hits: map[string]uint64{"pointer": 7, "manifest": 2}, Misses: map[string]uint64{"pointer": 4, "manifest": 1}}
	want := `
# HELP registryd_cache_bytes Bytes of memory that they take.
# TYPE registryd_cache_bytes gauge
registryd_cache_bytes 5000
# HELP registryd_cache_entries Pointers and manifests that this node remembers.
# TYPE registryd_cache_entries gauge
registryd_cache_entries 3
# HELP registryd_cache_limit_bytes Bytes of memory that they may take; 0 for none.
# TYPE registryd_cache_limit_bytes gauge
registryd_cache_limit_bytes 1.048576e+06
# HELP registryd_cache_requests_total What this node looked up among what it remembers of immutable content, and whether it was there.
# TYPE registryd_cache_requests_total counter
registryd_cache_requests_total{kind="manifest",result="hit"} 2
registryd_cache_requests_total{kind="manifest",result="miss"} 1
registryd_cache_requests_total{kind="pointer",result="hit"} 7
registryd_cache_requests_total{kind="pointer",result="miss"} 4
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
