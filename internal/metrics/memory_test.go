package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	var now MemoryStats
	Memory(reg, func() MemoryStats { return now })
	now = MemoryStats{Bytes: 3 << 20, Limit: 32 << 20, Waited: 5, Refused: 2}
	want := `
# HELP registryd_uploads_memory_bytes Bytes of memory that uploads hold.
# TYPE registryd_uploads_memory_bytes gauge
registryd_uploads_memory_bytes 3.145728e+06
# HELP registryd_uploads_memory_limit_bytes Bytes of memory that they may hold (uploads.memory); 0 where they need none.
# TYPE registryd_uploads_memory_limit_bytes gauge
registryd_uploads_memory_limit_bytes 3.3554432e+07
# HELP registryd_uploads_memory_refused_total Times that none came free, and the upload was answered 503.
# TYPE registryd_uploads_memory_refused_total counter
registryd_uploads_memory_refused_total 2
# HELP registryd_uploads_memory_waited_total Times that an upload found no memory left, and waited for some with nothing in its hands.
# TYPE registryd_uploads_memory_waited_total counter
registryd_uploads_memory_waited_total 5
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
