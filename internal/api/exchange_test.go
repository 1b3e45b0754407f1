package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

// ended keeps what the observer was told at the end.
type ended struct {
	blind
	last Exchange
}

func (e *ended) End(x Exchange) { e.last = x }

// logged answers a request with a body that fails, and gives the line and the figures of it.
func logged(t *testing.T, ctx context.Context, body error) (zapcore.Level, map[string]any, Exchange) {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	measured := &ended{}
	handler := New(storage.New(drivertest.NewFake(t), storage.Options{}), nil, Options{Log: zap.New(core), Observe: measured})
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, "/v2/a/manifests/latest", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(body)))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	lines := logs.FilterMessage("request").All()
	if len(lines) != 1 {
		t.Fatalf("the log has %v", lines)
	}
	return lines[0].Level, lines[0].ContextMap(), measured.last
}

// A client that does not wait for the answer is no failure of this node; a node that stops is worth a look.
func TestLogOfAClientThatHungUp(t *testing.T) {
	t.Parallel()
	draining := fmt.Errorf("this node is stopping: %w", context.Canceled)
	for _, c := range []struct {
		name   string
		ends   bool
		cause  error // of the request's end
		body   error
		status int
		level  zapcore.Level
	}{
		{"hung up", true, nil, context.Canceled, statusHungUp, zapcore.InfoLevel},
		{"the node drains", true, draining, draining, http.StatusServiceUnavailable, zapcore.ErrorLevel},
		{"the client waits", false, nil, context.Canceled, http.StatusServiceUnavailable, zapcore.ErrorLevel},
		{"hung up on a bad request", true, nil, io.ErrUnexpectedEOF, http.StatusBadRequest, zapcore.InfoLevel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			if c.ends {
				end(c.cause)
			}
			level, line, measured := logged(t, ctx, c.body)
			if level != c.level || line["status"] != int64(c.status) || measured.Status != c.status || line["error"] == nil {
				t.Errorf("logged at %s: %v; measured %+v", level, line, measured)
			}
		})
	}
}

// gone is a client that takes no bytes.
type gone struct{ *httptest.ResponseRecorder }

var errGone = errors.New("write: broken pipe")

func (gone) Write([]byte) (int, error) { return 0, errGone }

// A pull that ends early says so in the log, and is not made to look whole.
func TestLogOfAPullThatIsCutOff(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	registry := storage.New(drivertest.NewFake(t), storage.Options{})
	content := []byte("content")
	d := digest.FromBytes(content)
	up, err := registry.Repository("a").NewUpload(digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := registry.Repository("a").Commit(t.Context(), up, d, storage.WholeBody(bytes.NewReader(content))); err != nil {
		t.Fatal(err)
	}
	handler := New(registry, nil, Options{Log: zap.New(core)})
	func() {
		defer func() {
			if fault := recover(); fault != http.ErrAbortHandler {
				t.Errorf("got %v", fault)
			}
		}()
		handler.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/a/blobs/"+d.String(), nil))
	}()
	lines := logs.FilterMessage("request").All()
	if len(lines) != 1 || lines[0].Level != zapcore.InfoLevel || !strings.Contains(fmt.Sprint(lines[0].ContextMap()["error"]), errGone.Error()) {
		t.Errorf("the log has %v", lines)
	}
}

func TestLogError(t *testing.T) {
	t.Parallel()
	many := make([]error, 19_000)
	for i := range many {
		many[i] = fmt.Errorf("layer %d is missing", i)
	}
	const short = "layer 0 is missing; layer 1 is missing; layer 2 is missing; and 18997 more"
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("one"), "one"},
		{fmt.Errorf("put: %w", errors.Join(many[:3]...)), "put: layer 0 is missing\nlayer 1 is missing\nlayer 2 is missing"},
		{errors.Join(many...), short},
		{fmt.Errorf("put: %w", errors.Join(many...)), short},
		{errors.Join(many[0], errors.Join(many[1:]...)), short},
	} {
		if got := logError(c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestLogPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/elsewhere":                   `"/elsewhere"`,
		"/a\n\"b\"é":                   `"/a\n\"b\"\u00e9"`,
		"/v2/a/blobs/uploads/secret/":  `"/v2/a/blobs/uploads/"`,
		"/" + strings.Repeat("a", 300): `"/` + strings.Repeat("a", 199) + `"`,
	} {
		if got := logPath(path); got != want {
			t.Errorf("%q is logged as %s, want %s", path, got, want)
		}
	}
}
