//go:build stores

package s3_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/zap"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// TestTLS reaches a store behind a certificate of nobody's: with its authority in a file, or without looking.
func TestTLS(t *testing.T) {
	t.Parallel()
	store := teststore.MinIO(t)
	target, err := url.Parse(store.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
	})
	proxy.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(proxy.URL, "https://")
	for _, c := range []struct {
		name string
		edit func(*s3.Config)
		says string
	}{
		{"a CA file", func(c *s3.Config) { c.CAFile = caFile }, ""},
		{"a host, by TLS", func(c *s3.Config) { c.CAFile, c.RegionEndpoint, c.Secure = caFile, host, true }, ""},
		{"not verified", func(c *s3.Config) { c.SkipVerify = true }, ""},
		{"not trusted", func(*s3.Config) {}, "storage.s3.cafile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := config(store)
			settings.RegionEndpoint = proxy.URL
			c.edit(&settings)
			d := openWith(t, settings, nil)
			findings := d.Check(t.Context(), "check")
			if last := findings[len(findings)-1]; c.says != "" {
				if last.Err == nil || !strings.Contains(last.Err.Error(), c.says) || strings.Contains(last.Err.Error(), "\n") {
					t.Errorf("%s: %v, want one sentence with %q", last.What, last.Err, c.says)
				}
				return
			}
			for _, f := range findings {
				if f.Err != nil {
					t.Fatalf("%s: %v", f.What, f.Err)
				}
			}
			all := piece{1, 18 * mib} // bodies over TLS are not hashed
			s := mustAppend(t, d, drivers.Session{}, "data/tls/"+strings.ReplaceAll(c.name, " ", "-"), all)
			if _, err := d.Commit(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			isMadeOf(t, d, s.Key, all)
		})
	}
}

// TestVirtualHosted puts the bucket into the host, as AWS wants it. No resolver knows that host: the transport goes to where the store is and leaves the
// Host header as it was signed.
func TestVirtualHosted(t *testing.T) {
	t.Setenv("MINIO_DOMAIN", "s3.test")
	store, err := teststore.StartMinIO()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Stop)
	byPath := s3.Config{
		Bucket: "images", RegionEndpoint: "http://" + store.Addr, ForcePathStyle: true, AccessKey: teststore.AccessKey, SecretKey: teststore.SecretKey,
	}
	if err := makeBucket(t, byPath); err != nil {
		t.Fatal(err)
	}
	byHost := byPath
	byHost.ForcePathStyle, byHost.RegionEndpoint = false, "http://s3.test"
	d := openWith(t, byHost, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.URL.Host != "images.s3.test" || strings.HasPrefix(r.URL.Path, "/images") {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		r = r.Clone(r.Context())
		r.Host, r.URL.Host = r.URL.Host, store.Addr
		return next.RoundTrip(r)
	})
	for _, f := range d.Check(t.Context(), "check") {
		if f.Err != nil {
			t.Errorf("%s: %v", f.What, f.Err)
		}
	}
	s := mustAppend(t, d, drivers.Session{}, "data/1", piece{1, 18 * mib})
	if _, err := d.Commit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	isMadeOf(t, openWith(t, byPath, nil), s.Key, piece{1, 18 * mib})
}

func makeBucket(t *testing.T, c s3.Config) error {
	t.Helper()
	client := teststore.S3{Endpoint: c.RegionEndpoint, Bucket: c.Bucket}.Client()
	_, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &c.Bucket})
	return err
}
