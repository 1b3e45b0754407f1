package api_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// emptyLayer is the one that Docker has in most images; its gzip has the first digest that the golden manifests name.
const emptyLayer = "\x1f\x8b\x08\x00\x00\x09\x6e\x88\x00\xff\x62\x18\x05\xa3\x60\x14\x8c\x58\x00\x08\x00\x00\xff\xff\x2e\xaf\xb5\xef\x00\x04\x00\x00"

// FuzzPutSchema1 pushes whatever it is given as a manifest of Docker schema 1, signed first if it is told to. What is taken is served with signatures that verify, under the digest of what they
// sign; of what is refused, nothing is stored.
func FuzzPutSchema1(f *testing.F) {
	if got := digest.FromString(emptyLayer); got != "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4" {
		f.Fatal(got)
	}
	files, err := filepath.Glob("../manifest/testdata/schema1/*.jws")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	payload := []byte(`{"schemaVersion":1,"name":"library/hello","tag":"latest","architecture":"amd64",` +
		`"fsLayers":[{"blobSum":"` + digest.FromString(emptyLayer).String() + `"}],"history":[{"v1Compatibility":"{}"}]}`)
	good, err := manifest.Sign(payload, private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(payload, true)
	f.Add(bytes.Replace(payload, []byte(digest.FromString(emptyLayer)), []byte(reference.TarSumV1+":"+digest.FromString("").Encoded()), 1), true)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, false)
	}
	f.Fuzz(func(t *testing.T, content []byte, sign bool) {
		if sign {
			var err error
			if content, err = manifest.Sign(content, private); err != nil {
				return
			}
		}
		fake := drivertest.NewFake(t)
		registry := storage.New(fake, storage.Options{Rules: manifest.Rules{Schema1: true, TarSums: true}})
		handler := api.New(registry, nil, api.Options{})
		do := func(method, target, mediaType string, body []byte) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, bytes.NewReader(body))
			r.Header.Set("Content-Type", mediaType)
			handler.ServeHTTP(w, r)
			return w
		}
		if w := do(http.MethodPost, "/v2/library/hello/blobs/uploads/?digest="+digest.FromString(emptyLayer).String(), "", []byte(emptyLayer)); w.Code != http.StatusCreated {
			t.Fatal(w.Code, w.Body)
		}
		before := count(t, fake)
		w := do(http.MethodPut, "/v2/library/hello/manifests/latest", manifest.MediaTypeSchema1Signed, content)
		if w.Code != http.StatusCreated {
			if w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound && w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d, %s", w.Code, w.Body)
			}
			if now := count(t, fake); now != before {
				t.Errorf("%d objects were left by what was refused, %s", now-before, w.Body)
			}
			return
		}
		signed, all, err := manifest.Verify(content, manifest.DefaultSigners)
		if err != nil {
			t.Fatalf("it was taken, but %v", err)
		}
		got := do(http.MethodGet, "/v2/library/hello/manifests/latest", "", nil)
		if got.Code != http.StatusOK || got.Header().Get("Docker-Content-Digest") != digest.FromBytes(signed).String() {
			t.Fatalf("status %d, digest %s of %q", got.Code, got.Header().Get("Docker-Content-Digest"), signed)
		}
		served, again, err := manifest.Verify(got.Body.Bytes(), manifest.DefaultSigners)
		if err != nil || !bytes.Equal(served, signed) || len(again) != len(all) {
			t.Errorf("%d signatures are served, of %d, %v", len(again), len(all), err)
		}
		summary, err := registry.Fsck(t.Context(), storage.FsckOptions{Finding: func(f storage.Finding) { t.Log(f.Severity, f.Key, f.Message) }})
		if err != nil || summary.Damage > 0 {
			t.Errorf("%d times damage, %v", summary.Damage, err)
		}
	})
}

// count is how many objects there are.
func count(t *testing.T, driver drivers.Driver) int {
	t.Helper()
	page, err := driver.List(context.Background(), drivers.ListOptions{})
	if err != nil || page.Next != "" {
		t.Fatal(page.Next, err)
	}
	return len(page.Objects)
}
