package api

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/storage"
)

// The golden table of errors: what each failure looks like to a client, to the byte. Clients act on these; a change here is a change of protocol.
var goldenErrors = []struct {
	name   string
	err    error
	status int
	body   string
}{
	{"Internal", errors.New("inner text"), 500, internalBody},
	{"BlobUnknown", told(storage.BlobUnknown), 404, `{"errors":[{"code":"BLOB_UNKNOWN","message":"why"}]}`},
	{"BlobUploadUnknown", told(storage.BlobUploadUnknown), 404, `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"why"}]}`},
	{"BlobUploadInvalid", told(storage.BlobUploadInvalid), 400, `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"why"}]}`},
	{"DigestInvalid", told(storage.DigestInvalid), 400, `{"errors":[{"code":"DIGEST_INVALID","message":"why"}]}`},
	{"ManifestBlobUnknown", told(storage.ManifestBlobUnknown), 404, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"why"}]}`},
	{"ManifestInvalid", told(storage.ManifestInvalid), 400, `{"errors":[{"code":"MANIFEST_INVALID","message":"why"}]}`},
	{"ManifestUnknown", told(storage.ManifestUnknown), 404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"why"}]}`},
	{"ManifestUnverified", told(storage.ManifestUnverified), 400, `{"errors":[{"code":"MANIFEST_UNVERIFIED","message":"why"}]}`},
	{"NameInvalid", told(storage.NameInvalid), 400, `{"errors":[{"code":"NAME_INVALID","message":"why"}]}`},
	{"NameUnknown", told(storage.NameUnknown), 404, `{"errors":[{"code":"NAME_UNKNOWN","message":"why"}]}`},
	{"RangeInvalid", told(storage.RangeInvalid), 416, `{"errors":[{"code":"RANGE_INVALID","message":"why"}]}`},
	{"SizeInvalid", told(storage.SizeInvalid), 400, `{"errors":[{"code":"SIZE_INVALID","message":"why"}]}`},
	{"TagInvalid", told(storage.TagInvalid), 400, `{"errors":[{"code":"TAG_INVALID","message":"why"}]}`},
	{"TooLarge", told(storage.TooLarge), 413, `{"errors":[{"code":"SIZE_INVALID","message":"why"}]}`},
	{"Unsupported", told(storage.Unsupported), 405, `{"errors":[{"code":"UNSUPPORTED","message":"why"}]}`},
	{"Unavailable", &drivers.Unavailable{Err: errors.New("inner text")}, 503, unavailableBody},
	{"Canceled", fmt.Errorf("inner text: %w", context.Canceled), 503, unavailableBody},

	{"codeBlobUploadInvalid", asked(codeBlobUploadInvalid), 400, `{"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"why"}]}`},
	{"codeBlobUploadUnknown", asked(codeBlobUploadUnknown), 404, `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"why"}]}`},
	{"codeDigestInvalid", asked(codeDigestInvalid), 400, `{"errors":[{"code":"DIGEST_INVALID","message":"why"}]}`},
	{"codeManifestUnknown", asked(codeManifestUnknown), 404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"why"}]}`},
	{"codeNameInvalid", asked(codeNameInvalid), 400, `{"errors":[{"code":"NAME_INVALID","message":"why"}]}`},
	{"codeNameUnknown", asked(codeNameUnknown), 404, `{"errors":[{"code":"NAME_UNKNOWN","message":"why"}]}`},
	{"codePaginationNumberInvalid", asked(codePaginationNumberInvalid), 400, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"why"}]}`},
	{"codeTagInvalid", asked(codeTagInvalid), 400, `{"errors":[{"code":"TAG_INVALID","message":"why"}]}`},
	{"codeUnsupported", asked(codeUnsupported), 405, `{"errors":[{"code":"UNSUPPORTED","message":"why"}]}`},
	{"codeUnsupportedMedia", asked(codeUnsupportedMedia), 415, `{"errors":[{"code":"UNSUPPORTED","message":"why"}]}`},
	{"codePreconditionFailed", asked(codePreconditionFailed), 412, `{"errors":[{"code":"DIGEST_INVALID","message":"why"}]}`},
	{"codeTooManyRequests", asked(codeTooManyRequests), 429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"why"}]}`},
	{"codeURITooLong", asked(codeURITooLong), 414, `{"errors":[{"code":"TAG_INVALID","message":"why"}]}`},

	{"wrapped", fmt.Errorf("inner text: %w", told(storage.BlobUnknown)), 404, `{"errors":[{"code":"BLOB_UNKNOWN","message":"why"}]}`},
	{"beside another error", fmt.Errorf("%w: %w", drivers.ErrDiscard, told(storage.DigestInvalid)), 400, `{"errors":[{"code":"DIGEST_INVALID","message":"why"}]}`},
	{"with a detail", &storage.Error{Code: storage.NameUnknown, Message: "why", Detail: map[string]string{"name": "a"}}, 404,
		`{"errors":[{"code":"NAME_UNKNOWN","message":"why","detail":{"name":"a"}}]}`},
	{"several", errors.Join(told(storage.ManifestBlobUnknown), told(storage.ManifestBlobUnknown)), 404,
		`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"why"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"why"}]}`},
	{"several of different kinds", errors.Join(told(storage.ManifestUnverified), told(storage.TagInvalid), told(storage.ManifestBlobUnknown)), 400,
		`{"errors":[{"code":"MANIFEST_UNVERIFIED","message":"why"},{"code":"TAG_INVALID","message":"why"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"why"}]}`},
	{"no time left", fmt.Errorf("inner text: %w", context.DeadlineExceeded), 503, unavailableBody},
	{"panic", errPanic, 500, internalBody},
}

const (
	internalBody    = `{"errors":[{"code":"UNKNOWN","message":"something went wrong inside the registry, try again or show its operator the request id of this answer"}]}`
	unavailableBody = `{"errors":[{"code":"UNAVAILABLE","message":"the registry cannot reach its store or is shutting down, try again in a moment"}]}`
)

func told(code storage.Code) error {
	return &storage.Error{Code: code, Message: "why", Err: errors.New("inner text")}
}

func asked(code string) error { return &routeError{code: code, message: "why"} }

func TestErrorsGolden(t *testing.T) {
	t.Parallel()
	for _, c := range goldenErrors {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				w := httptest.NewRecorder()
				writeError(w, httptest.NewRequest(method, "/v2/", nil), c.err)
				if w.Code != c.status {
					t.Errorf("status %d, want %d", w.Code, c.status)
				}
				want := c.body
				if method == http.MethodHead {
					want = ""
				}
				if got := w.Body.String(); got != want {
					t.Errorf("%s: body\n%s\nwant\n%s", method, got, want)
				}
				header := w.Header()
				if got := header.Get("Content-Length"); got != strconv.Itoa(len(c.body)) {
					t.Errorf("%s: Content-Length %s", method, got)
				}
				if header.Get("Content-Type") != "application/json" || header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("header %v", header)
				}
				if comeBack := header.Get("Retry-After") != ""; comeBack != (c.status == http.StatusServiceUnavailable || c.status == http.StatusTooManyRequests) {
					t.Errorf("Retry-After %q with status %d", header.Get("Retry-After"), c.status)
				}
			}
		})
	}
}

// TestErrorsComplete: each code that a package can give has its row in the table that answers it and in the golden one.
func TestErrorsComplete(t *testing.T) {
	t.Parallel()
	golden := map[string]bool{}
	for _, c := range goldenErrors {
		golden[c.name] = true
	}
	ofStorage := constants(t, "../storage/errors.go", func(name string) bool { return ast.IsExported(name) })
	if len(ofStorage) != len(storageAnswers) {
		t.Errorf("package storage has the codes %q, storageAnswers has %d", ofStorage, len(storageAnswers))
	}
	for code := range storage.Code(len(ofStorage)) {
		if a, ok := storageAnswers[code]; !ok || a.code == "" || a.status < 400 {
			t.Errorf("storageAnswers has no row for storage.%s", ofStorage[code])
		}
	}
	isCode := func(name string) bool { return strings.HasPrefix(name, "code") }
	ofRequests := append(constants(t, "routeerror.go", isCode), constants(t, "errors.go", isCode)...)
	if len(ofRequests) != len(requestAnswers) {
		t.Errorf("the codes of requests are %q, requestAnswers has %d", ofRequests, len(requestAnswers))
	}
	for _, name := range append(ofStorage, ofRequests...) {
		if !golden[name] {
			t.Errorf("goldenErrors has no row for %s", name)
		}
	}
}

// constants gives the names of the constants in a file of Go, in their order.
func constants(t *testing.T, file string, wanted func(name string) bool) (names []string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, declaration := range tree.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if wanted(name.Name) {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// TestRetryAfter is in whole seconds, and never too early.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{
		0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", 90 * time.Second: "90",
	} {
		w := httptest.NewRecorder()
		writeError(w, httptest.NewRequest(http.MethodGet, "/v2/", nil), fmt.Errorf("get: %w", &drivers.Unavailable{RetryAfter: after, Err: errors.New("slow down")}))
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("after %v: Retry-After %q, want %q", after, got, want)
		}
	}
}

func TestErrorAllow(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	writeError(w, httptest.NewRequest(http.MethodGet, "/v2/", nil), methodNotAllowed(routeBlob))
	if got := strings.Join(w.Header().Values("Allow"), ", "); w.Code != http.StatusMethodNotAllowed || got != "GET, HEAD, DELETE" {
		t.Errorf("status %d, Allow %q", w.Code, got)
	}
}
