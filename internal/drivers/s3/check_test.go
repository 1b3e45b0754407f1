//go:build stores

package s3_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/s3"
	"github.com/registryd/registryd/internal/teststore"
)

// TestCheck finds nothing to complain of in the stores we test with, however often it looks, and leaves nothing behind.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openWith(t, config(store(t)), nil)
			for range 5 {
				findings := d.Check(t.Context(), "check/here")
				if len(findings) != 9 {
					t.Errorf("%d findings", len(findings))
				}
				for _, f := range findings {
					if f.Err != nil {
						t.Errorf("%s: %v", f.What, f.Err)
					}
				}
			}
			page, err := d.List(t.Context(), drivers.ListOptions{})
			if err != nil || len(page.Objects) > 0 {
				t.Errorf("left: %+v, %v", page.Objects, err)
			}
		})
	}
}

// TestCheckRefuses a store that will not do, and says in one sentence what to mend.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	away, err := teststore.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	none := func(*s3.Config) {}
	for _, c := range []struct {
		name  string
		edit  func(*s3.Config)
		wire  wire
		what  string // of the first failure
		says  []string
		after int // findings in all
	}{
		{"another bucket", func(c *s3.Config) { c.Bucket = "not-there" }, nil, "the bucket answers", []string{`there is no bucket "not-there"`, "storage.s3.bucket"}, 1},
		{"another key", func(c *s3.Config) { c.AccessKey = "nobody" }, nil, "the bucket answers", []string{"storage.s3.accesskey"}, 1},
		{"another secret", func(c *s3.Config) { c.SecretKey = "wrong" }, nil, "the bucket answers", []string{"storage.s3.accesskey"}, 1},
		{"nobody there", func(c *s3.Config) { c.RegionEndpoint = "http://" + away }, nil, "the bucket answers", []string{"does not answer", "storage.s3.regionendpoint"}, 1},
		{"If-None-Match is ignored", none, dishonest("If-None-Match"), "If-None-Match creates once", []string{"ignores If-None-Match", "use a store with conditional writes"}, 9},
		{"If-Match is ignored", none, dishonest("If-Match"), "If-Match replaces only what it names", []string{"ignores If-Match", "use a store with conditional writes"}, 9},
		{"If-None-Match is looked at too early", none, racy(16), "If-None-Match creates once when 16 try at the same time",
			[]string{"16 of 16 writers", "honest conditional writes"}, 9},
		{"If-None-Match is not known", none, unknown("If-None-Match"), "If-None-Match creates once", []string{"does not know If-None-Match", "use one with conditional writes"}, 9},
		{"no right to write", none, forbidding(http.MethodPut, ""), "objects can be written", []string{"lack s3:PutObject"}, 2},
		{"no right to read", none, forbidding(http.MethodGet, "/object"), "objects can be read back, whole and in ranges", []string{"lack s3:GetObject"}, 9},
		{"no right to list", none, forbidding(http.MethodGet, "list-type=2"), "objects can be listed", []string{"lack s3:ListBucket"}, 9},
		{"no right to delete", none, forbidding(http.MethodPost, "delete="), "objects can be deleted", []string{"lack s3:DeleteObject"}, 9},
		{"no right to drop uploads", none, forbidding(http.MethodDelete, "uploadId"), "multipart uploads can be begun, filled and dropped", []string{"lack s3:AbortMultipartUpload"}, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := config(teststore.MinIO(t))
			c.edit(&settings)
			findings := openWith(t, settings, c.wire).Check(t.Context(), "check")
			if len(findings) != c.after {
				t.Errorf("%d findings, want %d: %v", len(findings), c.after, findings)
			}
			for _, f := range findings {
				if f.Err == nil {
					continue
				}
				message := f.Err.Error()
				if f.What != c.what {
					t.Fatalf("%s: %s, want a failure of %q", f.What, message, c.what)
				}
				for _, part := range c.says {
					if !strings.Contains(message, part) {
						t.Errorf("%q lacks %q", message, part)
					}
				}
				if strings.Contains(message, "\n") {
					t.Errorf("%q is not one sentence", message)
				}
				t.Log(message)
				return
			}
			t.Error("nothing was refused")
		})
	}
}

// dishonest is a store that does not know of a condition and takes the request all the same.
func dishonest(condition string) wire {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Header.Get(condition) == "" {
			return next.RoundTrip(r)
		}
		return next.RoundTrip(without(r, condition))
	}
}

// without takes a header out of a request and signs it anew.
func without(r *http.Request, name string) *http.Request {
	r = r.Clone(r.Context())
	for _, gone := range []string{name, "Authorization"} {
		r.Header.Del(gone)
	}
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(r.Context(),
		aws.Credentials{AccessKeyID: teststore.AccessKey, SecretAccessKey: teststore.SecretKey}, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", teststore.Region, time.Now())
	if err != nil {
		panic(err)
	}
	return r
}

// racy is a store that looks whether an object is there and only then writes it. So that it shows, n requests that saw nothing wait for each other.
func racy(n int) wire {
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Header.Get("If-None-Match") == "" || !strings.HasSuffix(r.URL.Path, "/race") {
			return next.RoundTrip(r)
		}
		mu.Lock()
		if waiting++; waiting == n {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		return next.RoundTrip(without(r, "If-None-Match"))
	}
}

// unknown is a store that answers a condition with 501.
func unknown(condition string) wire {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Header.Get(condition) == "" {
			return next.RoundTrip(r)
		}
		return answer(r, http.StatusNotImplemented, "NotImplemented"), nil
	}
}

// forbidding denies the requests of a method whose URL holds a word.
func forbidding(method, word string) wire {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method != method || !strings.Contains(r.URL.String(), word) || strings.Contains(r.URL.RawQuery, "partNumber") {
			return next.RoundTrip(r)
		}
		return answer(r, http.StatusForbidden, "AccessDenied"), nil
	}
}

// answer is one of the store's for an error.
func answer(r *http.Request, status int, code string) *http.Response {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Type", "application/xml")
	recorder.WriteHeader(status)
	_, _ = io.WriteString(recorder, "<Error><Code>"+code+"</Code><Message>no</Message></Error>")
	response := recorder.Result()
	response.Request = r
	return response
}

// TestCheckStops when it is told to.
func TestCheckStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	findings := openWith(t, config(teststore.MinIO(t)), nil).Check(ctx, "check")
	if len(findings) != 1 || findings[0].Err == nil {
		t.Errorf("%v", findings)
	}
}

// TestCheckEnds: where nothing answers there is nothing to tidy up, and whoever calls it off does not wait.
func TestCheckEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan string, 10)
		silent := wire(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			asked <- r.Method
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		d := openWith(t, s3.Config{Bucket: "bucket", Region: teststore.Region, RegionEndpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "b"}, silent)
		findings := make(chan []s3.Finding, 1)
		go func() { findings <- d.Check(ctx, "check/here") }()
		<-asked
		canceled := time.Now()
		cancel()
		if f := <-findings; len(f) != 1 || f[0].Err == nil {
			t.Errorf("findings: %+v", f)
		}
		if d := time.Since(canceled); d > 0 {
			t.Errorf("it goes on for %v", d)
		}
	})
}
