//go:build stores

package events_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/integration/cluster"
)

// disturbance is something that happens for a while, and what comes after it.
type disturbance struct {
	what       string
	lasts      time.Duration
	begin, end func()
	after      time.Duration // in which all is well
}

// disturb does one thing after the other.
func disturb(t *testing.T, rounds int, things []disturbance) {
	for range rounds {
		for _, thing := range things {
			t.Log(thing.what)
			thing.begin()
			pass(t.Context(), thing.lasts)
			if thing.end != nil {
				thing.end()
			}
			pass(t.Context(), thing.after)
		}
	}
}

// nodesDie has one node after the other killed.
func nodesDie(c *cluster.Cluster) (all []disturbance) {
	for _, n := range c.Nodes() {
		all = append(all, disturbance{"a node is killed", 1500 * time.Millisecond, n.Kill, func() { n.Start() }, 1500 * time.Millisecond})
	}
	return all
}

func sinkFails(s *sink) []disturbance {
	as := func(m mood) func() { return func() { s.is(m) } }
	return []disturbance{
		{"the endpoint answers 500", 2500 * time.Millisecond, as(fails), as(well), time.Second},
		{"the endpoint hangs", 2500 * time.Millisecond, as(hangs), as(well), time.Second},
		{"the endpoint is away", 2500 * time.Millisecond, as(away), as(well), time.Second},
	}
}

// durable is a Redis that keeps its data, if it is let. What fails here fails the test by Error. For one goroutine at a time.
type durable struct {
	*teststore.Process
	t   *testing.T
	dir string
}

func startRedis(t *testing.T) *durable {
	t.Helper()
	dir := t.TempDir()
	process, err := teststore.StartRedis("--dir", dir, "--appendonly", "yes", "--appendfsync", "no")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	return &durable{process, t, dir}
}

func (d *durable) do(what func() error) func() {
	return func() {
		if err := what(); err != nil {
			d.t.Errorf("harm Redis: %v", err)
		}
	}
}

// empty is for a Redis that is stopped.
func (d *durable) empty() error { return os.RemoveAll(filepath.Join(d.dir, "appendonlydir")) }

func redisFails(d *durable) []disturbance {
	flush := d.do(func() error { return flushAll(d.t, d.Addr) })
	return []disturbance{
		{"Redis is flushed", 0, flush, nil, 1500 * time.Millisecond},
		{"Redis is killed, and keeps its data", 1500 * time.Millisecond, d.Stop, d.do(d.Restart), 1500 * time.Millisecond},
		{"Redis hangs", 2 * time.Second, d.do(d.Pause), d.do(d.Resume), 1500 * time.Millisecond},
		{"Redis is killed, and loses its data", 1500 * time.Millisecond, d.Stop, d.do(func() error { return firstError(d.empty(), d.Restart()) }), 2 * time.Second},
		{"Redis hangs for longer than the relay waits for it", 7 * time.Second, d.do(d.Pause), d.do(d.Resume), 1500 * time.Millisecond},
	}
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
