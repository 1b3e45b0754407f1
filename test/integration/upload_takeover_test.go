//go:build stores

package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/teststore"
)

// TestCloseAgainAfterDeath repeats a closing PUT at another node, since the node that put it through died, for all that others know, before it could say so.
func TestCloseAgainAfterDeath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, size int }{
		"without a body":         {17 * mib, 17 * mib},
		"with a body":            {17 * mib, 18 * mib},
		"with all of it":         {0, 66 * mib},
		"with checkpoints of it": {17 * mib, 83 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := newTellers(t, teststore.Redis(t))
			fake := drivertest.NewFake(t)
			fake.PartSize = 64 * kib
			setA, wireOfA := cluster.wire()
			dying := drivertest.NewFaulty(fake, func(c drivertest.Call) drivertest.Outcome {
				if c.Op == drivertest.OpPut && strings.HasSuffix(c.Key, "/link") {
					wireOfA.set(true)
				}
				return drivertest.Pass
			})
			a, b := start(t, dying, setA), start(t, fake, cluster.node())
			content := noise(c.size, 1)
			location := a.begin("a")
			if c.first > 0 {
				location = a.do("PATCH", a.url+location, body(content[:c.first])).want(http.StatusAccepted).location()
			}
			var last []option
			if c.first < c.size {
				last = []option{body(content[c.first:])}
			}
			a.do("PUT", closing(a.url+location, sha256(content)), last...).want(http.StatusCreated)
			b.do("PUT", closing(b.url+location, sha256(content)), last...).want(http.StatusCreated).has("Docker-Content-Digest", sha256(content).String())
			b.holds("a", sha256(content), content)
			b.do("GET", b.url+location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
			b.do("PATCH", b.url+location, body(content[:10])).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		})
	}
}

// TestCloseAsAnotherAfterDeath does not take the blob that a dead node made of an upload for what another digest names.
func TestCloseAsAnotherAfterDeath(t *testing.T) {
	t.Parallel()
	cluster := newTellers(t, teststore.Redis(t))
	fake := drivertest.NewFake(t)
	setA, wireOfA := cluster.wire()
	dying := drivertest.NewFaulty(fake, func(c drivertest.Call) drivertest.Outcome {
		if strings.HasSuffix(c.Key, "/link") {
			wireOfA.set(true)
		}
		return drivertest.Pass
	})
	a, b := start(t, dying, setA), start(t, fake, cluster.node())
	content := noise(17*mib, 1)
	location := a.do("PATCH", a.url+a.begin("a"), body(content)).want(http.StatusAccepted).location()
	a.do("PUT", closing(a.url+location, sha256(content))).want(http.StatusCreated)
	more := append(slices.Clip(content), "more"...)
	b.do("PUT", closing(b.url+location, sha256(more)), body("more")).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	b.do("GET", b.url+location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN") // nobody took a point of it for the newest
	b.do("PUT", closing(b.url+location, sha256(content))).want(http.StatusCreated)
}

// TestTakeoverWhileStoreIsAway takes over from a dead node while the store cannot say how far that came. Whoever asks afterwards is told all the same.
func TestTakeoverWhileStoreIsAway(t *testing.T) {
	t.Parallel()
	cluster := newTellers(t, teststore.Redis(t))
	fake := drivertest.NewFake(t)
	fake.PartSize = 64 * kib
	faulty := drivertest.NewFaulty(fake, nil)
	setA, wireOfA := cluster.wire()
	a, b := start(t, fake, setA), start(t, faulty, cluster.node())
	content := noise(66*mib, 1)
	location := a.begin("a")
	first := stand(a, b, location, content[:60*mib])
	wireOfA.set(true)
	if _, err := first.more.Write(content[60*mib:]); err != nil {
		t.Fatal(err)
	}
	until(t, "a checkpoint is there", func() bool {
		return slices.ContainsFunc(fake.Keys(), func(key string) bool { return strings.Contains(key, "/_uploads/") })
	})
	until(t, "the node is dead for others", func() bool {
		return b.do("GET", b.url+location).want(http.StatusNoContent).header.Get("Range") == standsAt(64*mib)
	})
	faulty.SetPlan(drivertest.On(drivertest.OpList, "", drivertest.NotApplied))
	b.do("PATCH", b.url+location, body("more")).want(http.StatusServiceUnavailable)
	faulty.SetPlan(nil)
	status := b.do("GET", b.url+location).want(http.StatusNoContent).has("Range", standsAt(64*mib))
	b.do("PUT", closing(b.url+status.location(), sha256(content)), body(content[64*mib:])).want(http.StatusCreated)
}

// TestCloseAgainWithRedis repeats a closing PUT, whose first body was wrong, with the same Location at another node: that was told that the upload has come
// back to where it stood, and goes on from there.
func TestCloseAgainWithRedis(t *testing.T) {
	t.Parallel()
	_, a, b, _ := twoNodes(t)
	content := noise(66*mib, 1)
	location := a.begin("a")
	wrong := append([]byte("wrong"), content[5:]...)
	a.do("PUT", closing(a.url+location, sha256(content)), body(wrong)).fails(http.StatusBadRequest, "DIGEST_INVALID")
	b.do("GET", b.url+location).want(http.StatusNoContent).has("Range", "0-0")
	b.do("PUT", closing(b.url+location, sha256(content)), body(content)).want(http.StatusCreated)
	b.do("GET", b.url+location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// hefty makes sessions that Redis does not keep, as long uploads have.
type hefty struct {
	drivers.Driver
	reached atomic.Int64 // the last point that was told of
}

func (d *hefty) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	heavy := func(s drivers.Session) drivers.Session {
		s.State = make([]byte, 70_000)
		return s
	}
	if w, ok := src.(drivers.Watcher); ok {
		src = heftySource{src, func(s drivers.Session) {
			w.Reached(heavy(s))
			d.reached.Store(s.Offset)
		}}
	}
	save := saved
	if saved != nil {
		save = func(s drivers.Session) error { return saved(heavy(s)) }
	}
	s, err := d.Driver.Append(ctx, s, fresh, src, save)
	return heavy(s), err
}

type heftySource struct {
	drivers.Source
	reached func(drivers.Session)
}

func (h heftySource) Reached(s drivers.Session) { h.reached(s) }

// TestRedisKeepsNoPointInPart has uploads with sessions that Redis does not keep: a status names checkpoints alone, and there the client can go on.
func TestRedisKeepsNoPointInPart(t *testing.T) {
	t.Parallel()
	cluster := newTellers(t, teststore.Redis(t))
	fake := drivertest.NewFake(t)
	fake.PartSize = 64 * kib
	faulty := drivertest.NewFaulty(fake, nil)
	driver := &hefty{Driver: faulty}
	setA, wireOfA := cluster.wire()
	a, b := start(t, driver, setA), start(t, driver, cluster.node())
	content := noise(72*mib, 1)
	location := a.begin("a")
	status := func() string { return b.do("GET", b.url+location).want(http.StatusNoContent).header.Get("Range") }

	first := stand(a, b, location, content[:64*mib])
	if _, err := first.more.Write(content[64*mib : 70*mib]); err != nil {
		t.Fatal(err)
	}
	until(t, "the driver has told of what came", func() bool { return driver.reached.Load() >= 69*mib })
	told := time.Now()
	until(t, "Redis was told of all that it is told", func() bool {
		wireOfA.mu.Lock()
		defer wireOfA.mu.Unlock()
		return wireOfA.last.After(told)
	})
	if at := status(); at != standsAt(64*mib) {
		t.Errorf("the status is %s", at)
	}
	_ = first.more.Close()
	location = first.ends(t).want(http.StatusAccepted).location()
	if at := status(); at != standsAt(70*mib) {
		t.Errorf("the status is %s", at)
	}

	// Nor does what a PUT leaves that failed.
	faulty.SetPlan(drivertest.On(drivertest.OpPut, "/_uploads/", drivertest.NotApplied))
	a.do("PUT", closing(a.url+location, sha256(content)), body(content[70*mib:])).want(http.StatusServiceUnavailable)
	faulty.SetPlan(nil)
	if at := status(); at != standsAt(70*mib) {
		t.Errorf("the status is %s", at)
	}
	location = b.do("GET", b.url+location).location()
	b.do("PUT", closing(b.url+location, sha256(content)), body(content[70*mib:]), contentRange(fmt.Sprintf("%d-%d", 70*mib, 72*mib-1))).want(http.StatusCreated)
	b.holds("a", sha256(content), content)
}
