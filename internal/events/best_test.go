//go:build stores

package events

import (
	"strings"
	"testing"
	"time"
)

// TestBestIsBounded: of best effort Redis holds 10,000 events of an endpoint, or some 8 MiB, and the last ones.
func TestBestIsBounded(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	tt := quick
	r := &remote{conn: connect(t, server.Addr), root: "{test:events}", times: &tt}
	c := client(t, server.Addr)
	for _, tt := range []struct {
		name     string
		length   int
		n        int
		low, top int64
	}{{"short", 600, 25_000, 10_000, 10_200}, {"long", 200 << 10, 200, 35, 60}} {
		note := []byte(strings.Repeat("x", tt.length))
		for range tt.n / 100 {
			var groups [][]any
			for range 100 {
				groups = append(groups, []any{tt.name, newID(time.Now()), note})
			}
			if _, err := r.parcelled(t.Context(), tellScript, groups); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.XLen(t.Context(), "{test:events}:best:"+tt.name).Val(); n < tt.low || n > tt.top {
			t.Errorf("%d of %d %s ones are kept, want %d to %d", n, tt.n, tt.name, tt.low, tt.top)
		}
	}
}
