package metrics

import "github.com/prometheus/client_golang/prometheus"

// MemoryStats are the figures of the memory that uploads share. The fields are those of the driver's own.
type MemoryStats struct {
	Bytes, Limit    int64
	Waited, Refused uint64
}

// Memory shows the figures that stats gives; it is called whenever they are asked for.
func Memory(reg prometheus.Registerer, stats func() MemoryStats) {
	reg.MustRegister(&memory{
		stats: stats,
		bytes: prometheus.NewDesc("registryd_uploads_memory_bytes", "Bytes of memory that uploads hold.", nil, nil),
		limit: prometheus.NewDesc("registryd_uploads_memory_limit_bytes", "Bytes of memory that they may hold (uploads.memory); 0 where they need none.", nil, nil),
		waited: prometheus.NewDesc("registryd_uploads_memory_waited_total",
			"Times that an upload found no memory left, and waited for some with nothing in its hands.", nil, nil),
		refused: prometheus.NewDesc("registryd_uploads_memory_refused_total", "Times that none came free, and the upload was answered 503.", nil, nil),
	})
}

// memory is a collector: the figures are the driver's, and need not be kept here once more.
type memory struct {
	stats                         func() MemoryStats
	bytes, limit, waited, refused *prometheus.Desc
}

func (m *memory) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

func (m *memory) Collect(to chan<- prometheus.Metric) {
	stats := m.stats()
	to <- prometheus.MustNewConstMetric(m.bytes, prometheus.GaugeValue, float64(stats.Bytes))
	to <- prometheus.MustNewConstMetric(m.limit, prometheus.GaugeValue, float64(stats.Limit))
	to <- prometheus.MustNewConstMetric(m.waited, prometheus.CounterValue, float64(stats.Waited))
	to <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(stats.Refused))
}
