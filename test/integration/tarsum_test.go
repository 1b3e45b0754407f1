package integration_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/tarsum"
)

// emptyTarSum is what Docker published as that of an archive without entries.
const emptyTarSum = "tarsum.v1+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var tarSums = func(s *setup) { s.storage.Rules.TarSums = true }

// archiveOf is a tar archive of one file that is unlike any other.
func archiveOf(size int, seed uint64) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(size), ModTime: time.Unix(1_400_000_000, 0), Typeflag: tar.TypeReg}); err != nil {
		panic(err)
	}
	_, _ = w.Write(noise(size, seed))
	_ = w.Close()
	return b.Bytes()
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

func tarSumOf(t testing.TB, algorithm string, content []byte) string {
	t.Helper()
	sum, err := tarsum.Compute(bytes.NewReader(content), algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return sum.String()
}

// ways are those in which clients upload a blob, by the name that they give it.
var ways = []struct {
	name string
	push func(r *registry, repository, name string, content []byte) *answer
}{
	{"PUT with the body", func(r *registry, repository, name string, content []byte) *answer {
		return r.do(http.MethodPut, r.begin(repository)+"?digest="+url.QueryEscape(name), body(content))
	}},
	{"PUT with a plus as it is", func(r *registry, repository, name string, content []byte) *answer {
		return r.do(http.MethodPut, r.begin(repository)+"?digest="+name, streamed(content))
	}},
	{"PATCH and PUT", func(r *registry, repository, name string, content []byte) *answer {
		location := r.do(http.MethodPatch, r.begin(repository), streamed(content)).want(http.StatusAccepted).location()
		return r.do(http.MethodPut, location+"?digest="+name)
	}},
	{"PATCH and PUT with the rest", func(r *registry, repository, name string, content []byte) *answer {
		location := r.do(http.MethodPatch, r.begin(repository), body(content[:len(content)/2])).want(http.StatusAccepted).location()
		return r.do(http.MethodPut, location+"?digest="+name, body(content[len(content)/2:]))
	}},
	{"POST", func(r *registry, repository, name string, content []byte) *answer {
		return r.do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+name, body(content))
	}},
}

// TestTarSum: a blob that is closed under its TarSum is there under its digest, and under both names.
func TestTarSum(t *testing.T) {
	each(t, func(r *registry) {
		small, large := archiveOf(100, 1), archiveOf(200*kib, 2)
		empty := make([]byte, 1024)
		for i, c := range []struct {
			name, algorithm string
			content         []byte
		}{
			{"small", reference.TarSumV1, small}, {"small, zipped", reference.TarSumV0, zipped(small)}, {"small, dev", reference.TarSumDev, small},
			{"large", reference.TarSumV0, large}, {"large, zipped", reference.TarSumV1, zipped(large)},
			{"no bytes", reference.TarSumV1, nil}, {"the empty tar", reference.TarSumV1, empty}, {"the empty tar, zipped", reference.TarSumV1, zipped(empty)},
		} {
			for j, way := range ways {
				r.run(c.name+" by "+way.name, func(r *registry) {
					sum, repository := tarSumOf(r, c.algorithm, c.content), "a/"+string(rune('a'+i))+string(rune('a'+j))
					if i >= 5 && sum != emptyTarSum {
						r.Fatalf("its TarSum is %s", sum)
					}
					d, target := sha256(c.content), "/v2/"+repository+"/blobs/"+sum
					a := way.push(r, repository, sum, c.content).want(http.StatusCreated)
					a.has("Docker-Content-Digest", d.String()).has("Location", target)
					r.holds(repository, d, c.content)
					for _, target := range []string{target, strings.ReplaceAll(target, "+", "%2B")} {
						r.do(http.MethodGet, target).want(http.StatusOK).has("Docker-Content-Digest", d.String()).has("ETag", `"`+d.String()+`"`).is(c.content)
						head := r.do(http.MethodHead, target).want(http.StatusOK).has("Docker-Content-Digest", d.String())
						if head.length != int64(len(c.content)) {
							r.Errorf("the length is %d", head.length)
						}
					}
				})
			}
		}
		r.sound()
	}, tarSums)
}

// TestTarSumRefused: content that has another TarSum, or none, is no blob, under whatever name.
func TestTarSumRefused(t *testing.T) {
	each(t, func(r *registry) {
		small, large := archiveOf(100, 1), archiveOf(200*kib, 2)
		for _, c := range []struct {
			name, sum string
			content   []byte
		}{
			{"another archive", tarSumOf(r, reference.TarSumV1, large), small},
			{"another archive, large", tarSumOf(r, reference.TarSumV1, small), large},
			{"another version", strings.Replace(tarSumOf(r, reference.TarSumV0, large), reference.TarSumV0, reference.TarSumV1, 1), large},
			{"no archive", emptyTarSum, []byte("no archive")},
			{"no archive, large", emptyTarSum, noise(100*kib, 1)},
			{"cut off", tarSumOf(r, reference.TarSumV1, large), large[:150*kib]},
			{"cut off, zipped", tarSumOf(r, reference.TarSumV1, large), zipped(large)[:150*kib]},
			{"something behind the end", tarSumOf(r, reference.TarSumV1, small), append(bytes.Clone(small), "more"...)},
			{"no bytes", tarSumOf(r, reference.TarSumV1, small), nil},
		} {
			for _, way := range ways {
				r.run(c.name+" by "+way.name, func(r *registry) {
					r.untouched(func() { way.push(r, "a", c.sum, c.content).fails(http.StatusBadRequest, "DIGEST_INVALID") }, "/_uploads/", "/v2/data/")
					r.do(http.MethodGet, "/v2/a/blobs/"+c.sum).fails(http.StatusNotFound, "BLOB_UNKNOWN")
					r.lacksBlob("a", sha256(c.content))
				})
			}
		}
		r.untouched(func() {
			for _, name := range []string{"tarsum.v2+sha256:" + sha256(nil).Encoded(), "tarsum.v1+sha256:0", "tarsum", "tarsum.v1+sha512:" + sha512(nil).Encoded()} {
				r.do(http.MethodPut, r.begin("a")+"?digest="+name, body(small)).fails(http.StatusBadRequest, "DIGEST_INVALID")
				r.do(http.MethodGet, "/v2/a/blobs/"+name).fails(http.StatusBadRequest, "DIGEST_INVALID")
			}
		})
		// The true digest can be given afterwards.
		location := r.do(http.MethodPatch, r.begin("a"), body(large)).want(http.StatusAccepted).location()
		r.do(http.MethodPut, location+"?digest="+emptyTarSum).fails(http.StatusBadRequest, "DIGEST_INVALID")
		r.do(http.MethodPut, closing(location, sha256(large))).want(http.StatusCreated)
		r.holds("a", sha256(large), large)
		r.sound()
	}, tarSums)
}

// TestTarSumDisabled: nobody is told of TarSums by a registry that takes none.
func TestTarSumDisabled(t *testing.T) {
	each(t, func(r *registry) {
		content := archiveOf(100, 1)
		sum := tarSumOf(r, reference.TarSumV1, content)
		r.untouched(func() {
			for _, way := range ways {
				items := way.push(r, "a", sum, content).fails(http.StatusBadRequest, "DIGEST_INVALID")
				if !strings.Contains(items[0].Message, "compatibility.tarsum.enabled") {
					r.Errorf("the message is %q", items[0].Message)
				}
			}
			r.do(http.MethodPost, "/v2/a/blobs/uploads/?mount="+sum+"&from=b").fails(http.StatusBadRequest, "DIGEST_INVALID")
			r.do(http.MethodGet, "/v2/a/blobs/"+sum).fails(http.StatusBadRequest, "DIGEST_INVALID")
			r.do(http.MethodDelete, "/v2/a/blobs/"+sum).fails(http.StatusBadRequest, "DIGEST_INVALID")
		}, "/_uploads/", "/v2/data/")
	})
}

// TestTarSumNames: what is done to a blob under its TarSum is done to the blob.
func TestTarSumNames(t *testing.T) {
	each(t, func(r *registry) {
		content := archiveOf(100*kib, 1)
		packed := zipped(content)
		sum := tarSumOf(r, reference.TarSumV1, content)
		d, other := sha256(content), sha256(packed)
		mount := "/v2/b/blobs/uploads/?mount=" + sum
		r.do(http.MethodPost, mount+"&from=a").want(http.StatusAccepted)
		ways[2].push(r, "a", sum, content).want(http.StatusCreated)
		r.do(http.MethodPost, mount).want(http.StatusAccepted) // which one, nobody can tell
		r.do(http.MethodPost, mount+"&from=a").want(http.StatusCreated).has("Location", "/v2/b/blobs/"+sum).has("Docker-Content-Digest", d.String())
		r.holds("b", d, content)
		r.do(http.MethodGet, "/v2/b/blobs/"+sum).want(http.StatusOK).is(content)

		r.do(http.MethodDelete, "/v2/a/blobs/"+sum).want(http.StatusAccepted)
		r.lacksBlob("a", d)
		r.do(http.MethodGet, "/v2/a/blobs/"+sum).fails(http.StatusNotFound, "BLOB_UNKNOWN")
		r.do(http.MethodDelete, "/v2/a/blobs/"+sum).fails(http.StatusNotFound, "BLOB_UNKNOWN")
		r.do(http.MethodGet, "/v2/b/blobs/"+sum).want(http.StatusOK).is(content)

		ways[0].push(r, "b", sum, packed).want(http.StatusCreated).has("Docker-Content-Digest", other.String())
		r.do(http.MethodGet, "/v2/b/blobs/"+sum).want(http.StatusOK).is(content) // the first one has the name, as long as it is here
		r.holds("b", d, content)
		r.holds("b", other, packed)
		r.sound()
	}, tarSums)
}

// TestTarSumRepeated: a closing PUT whose answer was lost is repeated, at whatever step the store failed.
func TestTarSumRepeated(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 100 * kib} {
		content := archiveOf(size, 1)
		sum := tarSumOf(t, reference.TarSumV1, content)
		for _, outcome := range []drivertest.Outcome{drivertest.NotApplied, drivertest.Unanswered} {
			for n := 1; ; n++ {
				fake := drivertest.NewFake(t)
				faulty := drivertest.NewFaulty(fake, nil)
				r := start(t, faulty, tarSums)
				location := r.do(http.MethodPatch, r.begin("a"), body(content)).want(http.StatusAccepted).location()
				reached := false
				faulty.SetPlan(nth(n, outcome, &reached))
				last := r.do(http.MethodPut, location+"?digest="+sum)
				faulty.SetPlan(nil)
				for range 2 { // and once more when it is done
					last = r.do(http.MethodPut, location+"?digest="+sum).want(http.StatusCreated).has("Docker-Content-Digest", sha256(content).String())
				}
				r.holds("a", sha256(content), content)
				r.do(http.MethodGet, last.location()).want(http.StatusOK).is(content)
				r.sound()
				if !reached {
					break
				}
			}
		}
	}
}

// nth lets the n-th call from now on fail, if it is reached.
func nth(n int, outcome drivertest.Outcome, reached *bool) drivertest.Plan {
	calls := 0
	return func(drivertest.Call) drivertest.Outcome {
		if calls++; calls == n {
			*reached = true
			return outcome
		}
		return drivertest.Pass
	}
}

// TestTarSumAtOnce: two are verified at a time, the others wait, and each gets its answer.
func TestTarSumAtOnce(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	const pushes = 6
	reading := &readers{Driver: fake, opened: make(chan struct{}, pushes), gate: make(chan struct{})}
	r := start(t, reading, tarSums)
	var group sync.WaitGroup
	for i := range pushes {
		content := archiveOf(100*kib, uint64(i))
		sum := tarSumOf(t, reference.TarSumV1, content)
		group.Go(func() {
			if a := ways[2].push(r, "a", sum, content); a.status != http.StatusCreated {
				t.Errorf("status %d, %s", a.status, a.body)
			}
		})
	}
	comes(t, "the first is read back", reading.opened)
	comes(t, "the second is read back", reading.opened)
	close(reading.gate)
	group.Wait()
	if reading.most != 2 {
		t.Errorf("%d were read back at once, want 2", reading.most)
	}
}

// TestSchema1TarSums: a manifest of schema 1 calls its layers by TarSums.
func TestSchema1TarSums(t *testing.T) {
	each(t, func(r *registry) {
		content := archiveOf(100, 1)
		sum, unknown := tarSumOf(r, reference.TarSumV1, content), tarSumOf(r, reference.TarSumV1, archiveOf(100, 2))
		ways[0].push(r, "a", sum, content).want(http.StatusCreated)
		key := signingKeys()[0]
		payload := payloadOf("a", "v1", sum, sha256(content).String(), sum)
		r.untouched(func() {
			item := r.putSigned("a", "v1", r.sign(payloadOf("a", "v1", sum, unknown), key)).fails(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")[0]
			if item.Detail["digest"] != unknown {
				r.Errorf("the detail is %v", item.Detail)
			}
		})
		r.putSigned("a", "v1", r.sign(payload, key)).want(http.StatusCreated)
		r.servesSigned("a", "v1", payload, 1)
		r.sound()
		r.do(http.MethodDelete, "/v2/a/blobs/"+sum).want(http.StatusAccepted)
		r.untouched(func() {
			r.putSigned("a", "v1", r.sign(payload, key)).fails(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")
		})
	}, schema1, tarSums)
}

// readers counts what is read of it at once, and keeps it waiting.
type readers struct {
	drivers.Driver
	opened chan struct{} // one for each that begins
	gate   chan struct{} // closed when they may go on

	mu        sync.Mutex
	now, most int
}

func (d *readers) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	body, info, err := d.Driver.Open(ctx, key, off, n)
	if err != nil || !strings.Contains(key, "/v2/data/") {
		return body, info, err
	}
	d.count(1)
	d.opened <- struct{}{}
	<-d.gate
	return &reader{body, d}, info, nil
}

func (d *readers) count(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now += by
	d.most = max(d.most, d.now)
}

type reader struct {
	io.ReadCloser
	d *readers
}

func (r *reader) Close() error {
	r.d.count(-1)
	return r.ReadCloser.Close()
}
