package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// elsewhere is a store that clients can fetch from.
type elsewhere struct{ drivers.Driver }

func (elsewhere) RedirectURL(_ context.Context, key string) (string, error) {
	return "https://store.example/" + key + "?signature=secret", nil
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	small, large := []byte("small"), bytes.Repeat([]byte("large"), 20<<10)
	for _, c := range []struct {
		name     string
		on       bool
		plain    bool // a store that cannot
		method   string
		blob     []byte
		header   string // of If-None-Match
		redirect bool
	}{
		{"a large blob", true, false, http.MethodGet, large, "", true},
		{"switched off", false, false, http.MethodGet, large, "", false},
		{"a store that cannot", true, true, http.MethodGet, large, "", false},
		{"HEAD", true, false, http.MethodHead, large, "", false},
		{"inline content", true, false, http.MethodGet, small, "", false},
		{"a client that may have it", true, false, http.MethodGet, large, `"other"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var store drivers.Driver = drivertest.NewFake(t)
			if !c.plain {
				store = elsewhere{store}
			}
			registry := storage.New(store, storage.Options{})
			repository := registry.Repository("a")
			up, err := repository.NewUpload(digest.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			d := digest.FromBytes(c.blob)
			if _, _, err := repository.Commit(t.Context(), up, d, storage.WholeBody(bytes.NewReader(c.blob))); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/v2/a/blobs/"+d.String(), nil)
			if c.header != "" {
				r.Header.Set("If-None-Match", c.header)
			}
			w := httptest.NewRecorder()
			New(registry, nil, Options{Redirect: c.on}).ServeHTTP(w, r)
			if !c.redirect {
				if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
					t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
				}
				return
			}
			header := w.Header()
			if w.Code != http.StatusTemporaryRedirect || header.Get("Location") == "" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v", w.Code, header)
			}
		})
	}
}
