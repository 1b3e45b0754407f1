package integration_test

import (
	"testing"

	"github.com/registryd/registryd/internal/drivers/drivertest"
)

// carried runs a test of uploads on each store, with each way in which nodes hand uploads to each other. It makes the test a parallel one.
func carried(t *testing.T, test func(r *registry), settings ...setting) {
	t.Helper()
	each(t, test, settings...)
	for _, s := range stores {
		if s.name == "fs" || byRedis == nil {
			continue // a directory has one node
		}
		t.Run(s.name+" and redis", func(t *testing.T) {
			t.Parallel()
			driver := s.open(t)
			if fake, ok := driver.(*drivertest.Fake); ok {
				fake.PartSize = 64 * kib
			}
			shared := byRedis(t)
			r := start(t, driver, append(settings, shared)...)
			r.shared = []setting{shared}
			test(r)
		})
	}
}

// byRedis makes a node one of a cluster of its own that has a Redis; with the tag stores (upload_redis_test.go).
var byRedis func(t *testing.T) setting
