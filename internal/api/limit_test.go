package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// A node with as many reads as it may have tells the next one to come back; what costs nothing, and what brings a body, it answers.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	store := drivertest.NewFaulty(drivertest.NewFake(t), drivertest.Once(drivertest.On(drivertest.OpList, "", drivertest.Block)))
	handler := New(storage.New(store, storage.Options{}), nil, Options{MaxRequests: 1})
	do := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return w
	}
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- do(http.MethodGet, "/v2/_catalog") }()
	<-store.Blocked()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/v2/_catalog", http.StatusTooManyRequests},
		{http.MethodDelete, "/v2/a/manifests/latest", http.StatusTooManyRequests},
		{http.MethodGet, "/v2/", http.StatusOK},
		{http.MethodHead, "/v2/", http.StatusOK},
		{http.MethodHead, "/v2/a/manifests/latest", http.StatusNotFound},
		{http.MethodPut, "/v2/a/manifests/latest", http.StatusBadRequest}, // there is no manifest in it
	} {
		if w := do(c.method, c.path); w.Code != c.status || (w.Header().Get("Retry-After") != "") != (c.status == http.StatusTooManyRequests) {
			t.Errorf("%s %s got %d %v", c.method, c.path, w.Code, w.Header())
		}
	}
	store.Release()
	if w := <-first; w.Code != http.StatusOK {
		t.Errorf("the first request got %d", w.Code)
	}
	if w := do(http.MethodGet, "/v2/_catalog"); w.Code != http.StatusOK {
		t.Errorf("after it, the next one got %d", w.Code)
	}
}

// Uploads that stand still keep out other uploads and no pull.
func TestMaxRequestsOfStalledUploads(t *testing.T) {
	t.Parallel()
	handler := New(storage.New(drivertest.NewFake(t), storage.Options{}), nil, Options{MaxRequests: 1})
	do := func(method, path string, body io.Reader) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, body))
		return w.Code
	}
	body, stalled := io.Pipe()
	first := make(chan int)
	go func() { first <- do(http.MethodPut, "/v2/a/manifests/latest", body) }()
	if _, err := stalled.Write([]byte("{")); err != nil { // returns when it is read
		t.Fatal(err)
	}
	if got := do(http.MethodPut, "/v2/a/manifests/latest", nil); got != http.StatusTooManyRequests {
		t.Errorf("another push got %d", got)
	}
	if got := do(http.MethodGet, "/v2/_catalog", nil); got != http.StatusOK {
		t.Errorf("a read got %d", got)
	}
	_ = stalled.Close()
	if got := <-first; got != http.StatusBadRequest {
		t.Errorf("the first push got %d", got)
	}
}
