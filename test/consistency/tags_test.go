//go:build stores

// Package consistency_test holds what a cluster promises to all its clients together: that tags are a register which every node agrees on at any time,
// that Redis may fail in any way and nothing is lost or comes back, and that it does what it is there for.
package consistency_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

var (
	seed     = flag.Uint64("seed", 1, "where the random choices of these tests begin")
	duration = flag.Duration("duration", 18*time.Second, "how long TestTags sends requests")
)

// TestTags: what clients see of tags that are pushed, deleted and read through three nodes has an order, while the store and Redis fail. What the
// memory in common answers counts as any other read.
func TestTags(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name string
		open func(t *testing.T) drivers.Driver
	}{
		{"fake", func(t *testing.T) drivers.Driver { return drivertest.NewFake(t) }},
		{"s3", func(t *testing.T) drivers.Driver { return openS3(t, teststore.MinIO(t)) }},
	} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			steady := store.open(t)
			var atStore atomic.Int64
			nodes := newTrio(t, func() drivers.Driver {
				return &shaky{Driver: steady, delay: 3 * time.Millisecond, slow: 200 * time.Millisecond, lost: 0.005, tagReads: &atStore}
			}, asBuilt)
			traffic := newTraffic(t, load{
				seed: *seed, duration: *duration, readers: 15, writers: 9, tags: 3, turn: 2 * time.Second, pause: 20 * time.Millisecond,
			}, nodes.urls...)
			ctx, stop := context.WithCancel(t.Context())
			var disturbing sync.WaitGroup
			disturbing.Go(func() { disturb(ctx, t, rand.New(rand.NewPCG(*seed, 1<<32)), nodes.disturbances(t)) })
			traffic.run(func() { stop(); disturbing.Wait(); nodes.repair(t) })
			t.Logf("answers: %v; tags were read %d times at the store", traffic.seen, atStore.Load())
			if all := traffic.requests(); atStore.Load() > all*9/10 {
				t.Errorf("for %d requests the store was asked as often as if nothing were remembered, so that this tests little", all)
			}
			traffic.history.check(t)
		})
	}
}

func openS3(t *testing.T, bucket teststore.S3) drivers.Driver {
	t.Helper()
	driver, err := s3.Open(t.Context(), s3.Config{
		Bucket: bucket.Bucket, Region: teststore.Region, RegionEndpoint: bucket.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
	}, s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}
