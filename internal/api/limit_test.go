package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// A node with as many requests as it may have tells the next one to come back.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	store := drivertest.NewFaulty(drivertest.NewFake(t), drivertest.Once(drivertest.On(drivertest.OpList, "", drivertest.Block)))
	handler := New(storage.New(store, storage.Options{}), nil, Options{MaxRequests: 1})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- get("/v2/_catalog") }()
	<-store.Blocked()
	if w := get("/v2/"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	store.Release()
	if w := <-first; w.Code != http.StatusOK {
		t.Errorf("the first request got %d", w.Code)
	}
	if w := get("/v2/"); w.Code != http.StatusOK {
		t.Errorf("after it, the next one got %d", w.Code)
	}
}
