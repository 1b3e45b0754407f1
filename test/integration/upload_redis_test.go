//go:build stores

package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// TestSecondPatchIsRefused asks for an upload while another request is at it. It is told so before it has sent its body, and where the upload stands.
func TestSecondPatchIsRefused(t *testing.T) {
	t.Parallel()
	_, a, b, wireOfA := twoNodes(t)
	content := noise(300_000, 1)
	var first *standing
	var location string
	var off int
	begin := func() {
		t.Helper()
		location, off = a.begin("a"), 200_000
		first = stand(a, b, location, content[:off])
		wireOfA.silence()
	}
	more := func(end int) { // lets the first one be seen to be alive
		t.Helper()
		if _, err := first.more.Write(content[off:end]); err != nil {
			t.Fatal(err)
		}
		off = end
	}
	// refused gives how long it took. It is false if the second one got the upload, because the machine held the first one up for so long that it was dead for
	// all that others could know.
	refused := func(method string) (took time.Duration, ok bool) {
		t.Helper()
		more(off + 1)
		unread, sent := io.Pipe()
		defer sent.Close()
		second, begun := make(chan *answer, 1), time.Now()
		go func() {
			got, _ := b.try(method, closing(b.url+location, sha256(content)), func(r *http.Request) { r.Body, r.ContentLength = unread, 300_000 })
			second <- got
		}()
		select {
		case got := <-second:
			took = time.Since(begun)
			if got == nil {
				t.Fatalf("%s has no answer", method)
			}
			got.fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
			got.has("Range", standsAt(3*64*kib))
			b.do("GET", b.url+got.location()).want(http.StatusNoContent).has("Range", standsAt(3*64*kib))
			return took, true
		case <-first.done:
			if silence := wireOfA.silence(); silence < aliveFor {
				t.Fatalf("%s was let in, though the node that had the upload never was silent for more than %s", method, silence)
			}
			_ = sent.CloseWithError(io.ErrUnexpectedEOF)
			comes(t, method+" comes to an end", second)
			return 0, false
		case <-time.After(soon):
			t.Fatalf("%s was let in, and nobody heard of it", method)
			return 0, false
		}
	}
	begin()
	for _, method := range []string{"PATCH", "PUT"} {
		for tries := 1; ; tries++ { // now and then the machine may be slow, each time it is not
			took, ok := refused(method)
			if ok && took < aliveFor {
				break
			}
			if tries == 10 {
				t.Fatalf("%s was refused after %s (%t), and no sooner in %d tries", method, took, ok, tries)
			}
			if !ok {
				begin()
			}
		}
	}
	more(len(content))
	_ = first.more.Close()
	end := first.ends(t).want(http.StatusAccepted).has("Range", standsAt(len(content))).location()
	b.do("PUT", closing(b.url+end, sha256(content))).want(http.StatusCreated)
	b.holds("a", sha256(content), content)
	b.do("PUT", closing(b.url+end, sha256(content))).want(http.StatusCreated)
	a.do("GET", a.url+end).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// TestCancelStopsOthers cancels at one node what another one is at.
func TestCancelStopsOthers(t *testing.T) {
	t.Parallel()
	_, a, b, _ := twoNodes(t)
	content := noise(300_000, 1)
	location := a.begin("a")
	first := stand(a, b, location, content[:200_000])
	b.do("DELETE", b.url+location).want(http.StatusNoContent)
	first.ends(t).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	for _, r := range []*registry{a, b} {
		for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
			r.do(method, closing(r.url+location, sha256(content)), body(content)).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		}
	}
}

// TestTakeover goes on with an upload whose node is dead, for all that the others know. It wakes up when all is over.
func TestTakeover(t *testing.T) {
	t.Parallel()
	_, a, b, wireOfA := twoNodes(t)
	content := noise(300_000, 1)
	location := a.begin("a")
	first := stand(a, b, location, content[:200_000])
	wireOfA.set(true)
	from := 3 * 64 * kib
	status := b.do("GET", b.url+location).want(http.StatusNoContent).has("Range", standsAt(from))
	begun := time.Now()
	second := b.do("PATCH", b.url+status.location(), body(content[from:250_000]), contentRange(fmt.Sprintf("%d-%d", from, 249_999))).want(http.StatusAccepted)
	if took := time.Since(begun); took > soon { // two seconds it is, until the claim is stale
		t.Errorf("it was taken over after %s", took)
	}
	wireOfA.set(false)
	first.ends(t).fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	last := a.do("GET", a.url+location).want(http.StatusNoContent).has("Range", standsAt(250_000))
	a.do("PUT", closing(a.url+last.location(), sha256(content)), body(content[250_000:])).want(http.StatusCreated)
	b.holds("a", sha256(content), content)
	b.do("GET", b.url+second.location()).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// TestTakeoverBehindCheckpoint goes on from a status that is older than the last checkpoint, which a node wrote before it died and could not tell of. The
// client hears of that before it has sent its chunk.
func TestTakeoverBehindCheckpoint(t *testing.T) {
	t.Parallel()
	fake, a, b, wireOfA := twoNodes(t)
	content := noise(70*mib, 1)
	location := a.begin("a")
	first := stand(a, b, location, content[:60*mib])
	status := b.do("GET", b.url+location).want(http.StatusNoContent)
	wireOfA.set(true)
	if _, err := first.more.Write(content[60*mib : 66*mib]); err != nil {
		t.Fatal(err)
	}
	until(t, "a checkpoint is there", func() bool {
		return slices.ContainsFunc(fake.Keys(), func(key string) bool { return strings.Contains(key, "/_uploads/") })
	})
	unread, _ := io.Pipe()
	rest := func(r *http.Request) { r.Body, r.ContentLength = unread, 10*mib }
	got := b.do("PATCH", b.url+status.location(), rest, contentRange(fmt.Sprintf("%d-%d", 60*mib, 70*mib-1)))
	got.fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
	got.has("Range", standsAt(64*mib))
	b.do("GET", b.url+status.location()).want(http.StatusNoContent).has("Range", standsAt(64*mib))
	b.do("PUT", closing(b.url+got.location(), sha256(content)), body(content[64*mib:])).want(http.StatusCreated)
	b.holds("a", sha256(content), content)
}

// TestPartsAreTold takes over on S3, where the status names the last part that is in the store.
func TestPartsAreTold(t *testing.T) {
	t.Parallel()
	cluster := newTellers(t, teststore.Redis(t))
	bucket := teststore.MinIO(t)
	setA, wireOfA := cluster.wire()
	a, b := start(t, openS3(t, bucket, s3.Options{}), setA), start(t, openS3(t, bucket, s3.Options{}), cluster.node())
	content := noise(60*mib, 1)
	location := a.begin("a")
	out, in := io.Pipe()
	t.Cleanup(func() { _ = in.Close() })
	first := make(chan *answer, 1)
	go func() {
		got, _ := a.try("PATCH", a.url+location, func(r *http.Request) { r.Body, r.ContentLength = out, -1 })
		first <- got
	}()
	if _, err := in.Write(content[:50*mib]); err != nil {
		t.Fatal(err)
	}
	var status *answer
	until(t, "three parts are told of", func() bool {
		status = b.do("GET", b.url+location).want(http.StatusNoContent)
		return status.header.Get("Range") == standsAt(48*mib)
	})
	wireOfA.set(true)
	end := b.do("PATCH", b.url+status.location(), body(content[48*mib:])).want(http.StatusAccepted).has("Range", standsAt(60*mib)).location()
	b.do("PUT", closing(b.url+end, sha256(content))).want(http.StatusCreated)
	wireOfA.set(false)
	if got := comes(t, "the first PATCH comes to an end", first); got == nil || got.status != http.StatusNotFound {
		t.Errorf("the first PATCH was answered %+v", got)
	}
	a.holds("a", sha256(content), content)
}

// TestStatusCostsNoList asks where an upload stands when Redis knows.
func TestStatusCostsNoList(t *testing.T) {
	t.Parallel()
	fake, a, b, wireOfA := twoNodes(t)
	content := noise(300_000, 1)
	location, off := a.begin("a"), 200_000
	first := stand(a, b, location, content[:off])
	wireOfA.silence()
	costs := func(location, stands string) drivertest.Counts {
		t.Helper()
		fake.ResetCounts()
		b.do("GET", b.url+location).want(http.StatusNoContent).has("Range", stands)
		return fake.Counts()
	}
	for tries := 1; ; tries++ {
		counts := costs(location, standsAt(3*64*kib))
		if len(counts) == 0 {
			break
		}
		// Where the machine held the node up for so long that it was dead for all that others could know, the store is right to be asked.
		if silence := wireOfA.silence(); silence < aliveFor || tries == 10 {
			t.Fatalf("it took %v, %d times; the other node never was silent for more than %s", counts, tries, silence)
		}
		if _, err := first.more.Write(content[off : off+1]); err != nil {
			t.Fatal(err)
		}
		off++
	}
	_ = first.more.Close()
	end := first.ends(t).want(http.StatusAccepted).location()
	for _, location := range []string{location, end} {
		if counts := costs(location, standsAt(off)); len(counts) > 0 {
			t.Errorf("it took %v", counts)
		}
	}
	// Nor does a chunk that goes on there with the first Location.
	fake.ResetCounts()
	b.do("PATCH", b.url+location, body(content[off:]), contentRange(fmt.Sprintf("%d-%d", off, len(content)-1))).want(http.StatusAccepted)
	if n := fake.Counts()[drivertest.OpList]; n > 0 {
		t.Errorf("it took %d LISTs", n)
	}
}

// before calls do ahead of each request of a node's client.
func (r *registry) before(do func()) {
	next := r.client.Transport
	r.client.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		do()
		return next.RoundTrip(req)
	})
}

// TestForgetfulRedis pushes while Redis loses everything between any two requests.
func TestForgetfulRedis(t *testing.T) {
	t.Parallel()
	p := ownRedis(t)
	cluster := newTellers(t, p.Addr)
	r := start(t, drivertest.NewFake(t), cluster.node())
	client := redis.NewClient(&redis.Options{Addr: p.Addr, ReadTimeout: soon})
	t.Cleanup(func() { _ = client.Close() })
	r.before(func() {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
	for i, push := range pushers {
		r.run(push.name, func(r *registry) {
			content := noise(mib+i, uint64(i))
			push.push(r, "a", content).want(http.StatusCreated)
			r.holds("a", sha256(content), content)
		})
	}
}

// TestRedisDies pushes while Redis is killed, at each request but the first in turn.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	p := ownRedis(t)
	setting, wire := newTellers(t, p.Addr).wire()
	wire.mortal = true
	r := start(t, drivertest.NewFake(t), setting)
	dead, at, requests := false, 0, 0
	r.before(func() {
		if requests++; requests == at {
			dead = true
			p.Stop()
		}
	})
	for i, push := range pushers {
		for at = 2; ; at++ {
			until(t, "Redis is there", wire.Up)
			dead, requests = false, 0
			content := noise(3*mib+i, uint64(100*i+at))
			a := push.push(r, "a", content)
			if a.status != http.StatusCreated {
				t.Fatalf("%s, killed at request %d: %d %s", push.name, at, a.status, a.body)
			}
			r.holds("a", sha256(content), content)
			if !dead {
				break
			}
			if err := p.Restart(); err != nil {
				t.Fatal(err)
			}
			if at == 4 {
				break
			}
		}
	}
}

func ownRedis(t *testing.T) *teststore.Process {
	t.Helper()
	p, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// TestBothProviders goes back and forth between nodes that tell each other of uploads and nodes that do not, as during a change of the setting.
func TestBothProviders(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			driver := s.open(t)
			nodes := []*registry{start(t, driver), start(t, driver, byRedis(t))}
			content := noise(3*mib, 1)
			location := nodes[0].begin("a")
			for i := range 3 {
				location = nodes[i%2].do("PATCH", nodes[i%2].url+location, body(content[i*mib:(i+1)*mib])).want(http.StatusAccepted).location()
				nodes[1-i%2].do("GET", nodes[1-i%2].url+location).want(http.StatusNoContent).has("Range", standsAt((i+1)*mib))
			}
			nodes[1].do("PUT", closing(nodes[1].url+location, sha256(content))).want(http.StatusCreated)
			nodes[0].holds("a", sha256(content), content)
		})
	}
}
