//go:build stores

package s3_test

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// The contract, on both stores.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(testing.TB) teststore.S3{"minio": teststore.MinIO, "versitygw": teststore.VersityGW} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Run(t, func(t *testing.T) *drivertest.Harness {
				bucket, wire := store(t), &faultyWire{}
				return &drivertest.Harness{
					Driver: open(t, bucket, wire),
					Reopen: func(t *testing.T) drivers.Driver { return open(t, bucket, wire) },
					Inject: wire.inject,
					Direct: true,
				}
			})
		})
	}
}

func open(t testing.TB, store teststore.S3, wire *faultyWire) *s3.Driver {
	t.Helper()
	d, err := s3.Open(t.Context(), config(store), s3.Options{Transport: wire.wrap, MaxBackoff: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func config(store teststore.S3) s3.Config {
	return s3.Config{
		Bucket: store.Bucket, Region: teststore.Region, RegionEndpoint: store.Endpoint, ForcePathStyle: true,
		AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
	}
}

// faultyWire fails one request: before it is sent, or after it was answered.
type faultyWire struct {
	next http.RoundTripper

	mu       sync.Mutex
	fault    drivertest.Fault
	left     int
	happened bool
}

func (w *faultyWire) wrap(next http.RoundTripper) http.RoundTripper { w.next = next; return w }

func (w *faultyWire) inject(f drivertest.Fault) (disarm func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.left, w.happened = f, f.Step, false
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.left = 0
		return w.happened
	}
}

func (w *faultyWire) due() (drivertest.Outcome, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		return 0, false
	}
	if w.left--; w.left > 0 {
		return 0, false
	}
	w.happened = true
	return w.fault.Outcome, true
}

var errWire = errors.New("injected: the connection broke")

func (w *faultyWire) RoundTrip(r *http.Request) (*http.Response, error) {
	outcome, due := w.due()
	if !due {
		return w.next.RoundTrip(r)
	}
	if outcome == drivertest.NotApplied {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errWire
	}
	response, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return nil, errWire
}
