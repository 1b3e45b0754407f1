// Package integration_test speaks the protocol to a registry over real HTTP, on every store there is, and holds what the OCI distribution spec, and
// Docker's before it, promise to clients. TestEndpoints and TestErrorCodes go through the spec's own tables; the other tests go deeper, one file for
// each verb or endpoint.
package integration_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/fs"
	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// stores are what each test runs on; with the tag stores, on a real S3 too (s3store_test.go).
var stores = []store{
	{"fake", func(t *testing.T) drivers.Driver {
		fake := drivertest.NewFake(t)
		t.Cleanup(func() { fake.AssertClosed(t) })
		return fake
	}},
	{"fs", func(t *testing.T) drivers.Driver {
		driver, err := fs.Open(t.TempDir(), fs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = driver.Close() })
		return driver
	}},
}

type store struct {
	name string
	open func(*testing.T) drivers.Driver
}

// registry is one node under test, and the test that uses it.
type registry struct {
	*testing.T
	url    string
	driver drivers.Driver
	client *http.Client
	logs   *observer.ObservedLogs
	shared []setting // what nodes beside it have as well
}

// setup is what a test may choose of a registry.
type setup struct {
	storage storage.Options
	api     api.Options
	tokens  func(uploadtoken.Provider) uploadtoken.Provider
	driver  func(drivers.Driver) drivers.Driver
}

type setting func(*setup)

// Options that a test chooses often.
var (
	deletesOff = func(s *setup) { s.storage.DeletesOff = true }
	readOnly   = func(s *setup) { s.storage.ReadOnly, s.api.ReadOnly = true, true }
	sparse     = func(s *setup) { s.storage.IndexRule = storage.IndexRule{None: true} }
)

// each runs a test on each store, with a registry of its own. It makes the test a parallel one.
func each(t *testing.T, test func(r *registry), settings ...setting) {
	t.Helper()
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(start(t, s.open(t), settings...))
		})
	}
}

// start brings up a node on a store.
func start(t *testing.T, driver drivers.Driver, settings ...setting) *registry {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	s := &setup{api: api.Options{Log: zap.New(core), Instance: "node"}}
	for _, set := range settings {
		set(s)
	}
	wrapped := driver
	if s.driver != nil {
		wrapped = s.driver(driver)
	}
	hmac, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("a secret that all nodes share")}, s.storage.Now)
	if err != nil {
		t.Fatal(err)
	}
	var tokens uploadtoken.Provider = hmac
	if s.tokens != nil {
		tokens = s.tokens(hmac)
	}
	server := httptest.NewUnstartedServer(api.New(storage.New(wrapped, s.storage), tokens, s.api))
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, DialContext: (&net.Dialer{}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &registry{T: t, url: server.URL, driver: driver, client: &http.Client{Transport: transport, Timeout: patience}, logs: logs}
}

// beside brings up another node on the same store.
func (r *registry) beside(settings ...setting) *registry {
	r.Helper()
	next := start(r.T, r.driver, append(slices.Clone(r.shared), settings...)...)
	next.shared = r.shared
	return next
}

// run is Run, for tests that use the same registry.
func (r *registry) run(name string, test func(r *registry)) {
	r.Helper()
	r.Run(name, func(t *testing.T) {
		part := *r
		part.T = t
		test(&part)
	})
}

// keys lists the whole store: each key with the ETag of what stands there.
func (r *registry) keys() map[string]string {
	r.Helper()
	all := map[string]string{}
	var opts drivers.ListOptions
	for {
		page, err := r.driver.List(context.Background(), opts)
		if err != nil {
			r.Fatal(err)
		}
		for _, object := range page.Objects {
			all[object.Key] = object.ETag
		}
		if opts.After = page.Next; opts.After == "" {
			return all
		}
	}
}

// direct says whether the store is one over a network, to which bytes go before anything is committed.
func (r *registry) direct() bool { _, ok := r.driver.(drivers.Redirector); return ok }

// unfinished are words of keys that may be left of an upload that was cut off. On a store that is written directly its bytes are an object already,
// which no pointer names and nobody sees; fsck finds it by its age.
func (r *registry) unfinished() []string {
	if r.direct() {
		return []string{"/_uploads/", "/v2/data/"}
	}
	return []string{"/_uploads/"}
}

// untouched fails if doing something leaves a trace in the store. Keys that hold one of the words are not looked at.
func (r *registry) untouched(do func(), except ...string) {
	r.Helper()
	before := r.keys()
	do()
	after := r.keys()
	for _, list := range []map[string]string{before, after} {
		maps.DeleteFunc(list, func(key, _ string) bool {
			return slices.ContainsFunc(except, func(word string) bool { return strings.Contains(key, word) })
		})
	}
	for key, etag := range after {
		if was, ok := before[key]; !ok {
			r.Errorf("%s was written", key)
		} else if was != etag {
			r.Errorf("%s was changed", key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			r.Errorf("%s was removed", key)
		}
	}
}
