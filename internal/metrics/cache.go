package metrics

import "github.com/prometheus/client_golang/prometheus"

// CacheStats are the figures of what a node remembers of what does not change. The fields are those of storage's own.
type CacheStats struct {
	Entries      int
	Bytes, Limit int64
	Hits, Misses map[string]uint64 // by what was asked for
}

// Cache shows the figures that stats gives; it is called whenever they are asked for.
func Cache(reg prometheus.Registerer, stats func() CacheStats) {
	reg.MustRegister(&cache{
		stats: stats,
		requests: prometheus.NewDesc("registryd_cache_requests_total", "What this node looked up among what it remembers of immutable content, and whether it was there.",
			[]string{"kind", "result"}, nil),
		entries: prometheus.NewDesc("registryd_cache_entries", "Pointers and manifests that this node remembers.", nil, nil),
		bytes:   prometheus.NewDesc("registryd_cache_bytes", "Bytes of memory that they take.", nil, nil),
		limit:   prometheus.NewDesc("registryd_cache_limit_bytes", "Bytes of memory that they may take; 0 for none.", nil, nil),
	})
}

// cache is a collector: the figures are storage's, and need not be kept here once more.
type cache struct {
	stats                           func() CacheStats
	requests, entries, bytes, limit *prometheus.Desc
}

func (c *cache) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

func (c *cache) Collect(to chan<- prometheus.Metric) {
	stats := c.stats()
	for result, counts := range map[string]map[string]uint64{"hit": stats.Hits, "miss": stats.Misses} {
		for kind, n := range counts {
			to <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(n), kind, result)
		}
	}
	to <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(stats.Entries))
	to <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(stats.Bytes))
	to <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(stats.Limit))
}
