//go:build stores

// Package consistency_test holds what a cluster promises to all its clients together: that tags are a register which every node agrees on at any time,
// that Redis may fail in any way and nothing is lost or comes back, and that it does what it is there for.
package consistency_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/facts"
	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/storage"
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
			reg := prometheus.NewRegistry()
			number := 0
			nodes := newTrio(t, func() drivers.Driver {
				return &shaky{Driver: steady, delay: 3 * time.Millisecond, slow: 200 * time.Millisecond, lost: 0.005, tagReads: &atStore}
			}, func(conn *redisconn.Conn, namespace string) storage.Facts {
				number++
				return facts.New(conn, facts.Options{
					Namespace: namespace, Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"node": strconv.Itoa(number)}, reg),
				})
			})
			traffic := newTraffic(t, load{
				seed: *seed, duration: *duration, readers: 15, writers: 9, tags: 3, turn: 2 * time.Second, pause: 20 * time.Millisecond,
			}, nodes.urls...)
			ctx, stop := context.WithCancel(t.Context())
			var disturbing sync.WaitGroup
			disturbing.Go(func() { disturb(ctx, t, rand.New(rand.NewPCG(*seed, 1<<32)), nodes.disturbances(t)) })
			traffic.run(func() { stop(); disturbing.Wait(); nodes.repair(t) })
			hits := remembered(t, reg)
			t.Logf("answers: %v; tags were read %d times at the store, and %d times remembered", traffic.seen, atStore.Load(), hits)
			if hits < 20 { // it is many more, unless the machine has much to do
				t.Errorf("hardly anything was remembered, so that this tests little")
			}
			traffic.history.check(t)
		})
	}
}

// remembered counts what the memory in common gave.
func remembered(t *testing.T, reg prometheus.Gatherer) (hits int) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "registryd_facts_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "result" && (label.GetValue() == "hit" || label.GetValue() == "waited") {
					hits += int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return hits
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
