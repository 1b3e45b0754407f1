package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// A body that ends because this node stops says nothing about the manifest; one that ends because of its sender does.
func TestManifestCutOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		status int
		body   string
		again  bool
	}{
		{"by a node that stops", fmt.Errorf("this node is stopping: %w", context.Canceled), http.StatusServiceUnavailable, "UNAVAILABLE", true},
		{"by its sender", io.ErrUnexpectedEOF, http.StatusBadRequest, "MANIFEST_INVALID", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			handler := New(storage.New(drivertest.NewFake(t), storage.Options{}), nil, Options{})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v2/a/manifests/latest", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(c.err)))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if again := w.Header().Get("Retry-After") != ""; w.Code != c.status || again != c.again || !strings.Contains(w.Body.String(), c.body) {
				t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

func TestReadManifest(t *testing.T) {
	t.Parallel()
	h := &handler{opts: Options{MaxManifest: 100_000}}
	for _, c := range []struct {
		name     string
		size     int
		declared int64
		ok       bool
	}{
		{"declared", 70_000, 70_000, true},
		{"chunked", 70_000, -1, true},
		{"empty", 0, 0, true},
		{"the largest", 100_000, 100_000, true},
		{"declared too large", 100_001, 100_001, false},
		{"chunked and too large", 100_001, -1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := bytes.Repeat([]byte("x"), c.size)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", iotest.OneByteReader(bytes.NewReader(want)))
			r.ContentLength = c.declared
			got, err := h.readManifest(r)
			if ok := err == nil; ok != c.ok || ok && !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			if c.ok && c.declared > 0 && cap(got) > c.size+c.size/4 {
				t.Errorf("%d bytes were allocated for %d", cap(got), c.size)
			}
		})
	}
}
