package integration_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/drivers"
)

// broken is a store of which every call fails.
type broken struct {
	drivers.Driver
	err error
}

func (d broken) Stat(context.Context, string) (drivers.Info, error) { return drivers.Info{}, d.err }
func (d broken) Open(context.Context, string, int64, int64) (io.ReadCloser, drivers.Info, error) {
	return nil, drivers.Info{}, d.err
}
func (d broken) Put(context.Context, string, io.ReadSeeker, drivers.Cond) (drivers.Info, error) {
	return drivers.Info{}, d.err
}
func (d broken) Delete(context.Context, ...string) error { return d.err }
func (d broken) List(context.Context, drivers.ListOptions) (drivers.Page, error) {
	return drivers.Page{}, d.err
}
func (d broken) Append(_ context.Context, s drivers.Session, _ string, _ drivers.Source, _ func(drivers.Session) error) (drivers.Session, error) {
	return s, d.err
}
func (d broken) Commit(context.Context, drivers.Session) (drivers.Info, error) {
	return drivers.Info{}, d.err
}
func (d broken) Abort(context.Context, drivers.Session) error { return d.err }

// TestOutage tells clients to come back when the store is away, and never what is wrong inside: that is in the log.
func TestOutage(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.1: bucket of the boss")
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		retry  string
	}{
		{"the store says when", &drivers.Unavailable{RetryAfter: 6500 * time.Millisecond, Err: secret}, 503, "UNAVAILABLE", "7"},
		{"the store does not say when", &drivers.Unavailable{Err: secret}, 503, "UNAVAILABLE", "1"},
		{"a timeout", errors.Join(secret, context.DeadlineExceeded), 503, "UNAVAILABLE", "1"},
		{"something else", secret, 500, "UNKNOWN", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(r *registry) {
				image := r.newImage("a", "a")
				d := r.pushImage("a", "latest").String()
				location := r.do("PATCH", r.begin("a"), body(noise(100_000, 1))).location()
				away := r.beside(func(s *setup) { s.driver = func(drivers.Driver) drivers.Driver { return broken{err: c.err} } })
				for _, q := range []struct {
					method, target string
					options        []option
				}{
					{"GET", "/v2/_catalog", nil},
					{"GET", "/v2/a/tags/list", nil},
					{"GET", "/v2/a/referrers/" + d, nil},
					{"GET", "/v2/a/manifests/latest", nil},
					{"HEAD", "/v2/a/manifests/" + d, nil},
					{"PUT", "/v2/a/manifests/latest", []option{body(image), header("Content-Type", v1.MediaTypeImageManifest)}},
					{"DELETE", "/v2/a/manifests/latest", nil},
					{"DELETE", "/v2/a/manifests/" + d, nil},
					{"GET", "/v2/a/blobs/" + d, nil},
					{"HEAD", "/v2/a/blobs/" + d, nil},
					{"DELETE", "/v2/a/blobs/" + d, nil},
					{"POST", "/v2/b/blobs/uploads/?from=a&mount=" + d, nil},
					{"POST", "/v2/a/blobs/uploads/?digest=" + sha256(image).String(), []option{body(image)}},
					{"PATCH", location, []option{body("more")}},
					{"PUT", closing(location, sha256(noise(100_000, 1))), nil},
					{"GET", location, nil},
					{"DELETE", location, nil},
				} {
					a := away.do(q.method, q.target, q.options...)
					a.fails(c.status, codesFor(q.method, c.code)...)
					a.has("Retry-After", c.retry).lacks("ETag").lacks("Docker-Content-Digest")
					if strings.Contains(string(a.body), "boss") || strings.Contains(string(a.body), "10.0.0.1") {
						r.Errorf("%s: the inside is shown: %s", a.what, a.body)
					}
					_, line := away.line(a.header.Get("X-Request-Id"))
					if !strings.Contains(line["error"].(string), "boss") {
						r.Errorf("%s: the log does not say why: %v", a.what, line)
					}
				}
				// These need no store.
				away.do("GET", "/v2/").want(http.StatusOK)
				r.do("PATCH", away.begin("a"), body("to another node")).want(http.StatusAccepted)
			})
		})
	}
}

// half is a store that fails in the middle of a blob.
type half struct{ drivers.Driver }

func (d half) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	body, info, err := d.Driver.Open(ctx, key, off, n)
	if err != nil || info.Size < 100_000 {
		return body, info, err
	}
	failing := io.MultiReader(io.LimitReader(body, info.Size/2), failure{&drivers.Unavailable{Err: errors.New("gone")}})
	return struct {
		io.Reader
		io.Closer
	}{failing, body}, info, nil
}

type failure struct{ err error }

func (f failure) Read([]byte) (int, error) { return 0, f.err }

// TestOutageHalfway breaks the connection: half a blob must not look like a whole one.
func TestOutageHalfway(t *testing.T) {
	each(t, func(r *registry) {
		content := noise(300_000, 1)
		d := r.pushBlob("a", content)
		if a, err := r.try("GET", "/v2/a/blobs/"+d.String()); err == nil {
			r.Errorf("%d with %d of %d bytes, and no error", a.status, len(a.body), len(content))
		}
	}, func(s *setup) { s.driver = func(d drivers.Driver) drivers.Driver { return half{d} } })
}
