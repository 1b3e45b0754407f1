package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(req *http.Request) { req.Header.Set(name, value) }
}

// body sends bytes with their Content-Length.
func body[T string | []byte](content T) option {
	return func(req *http.Request) {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader([]byte(content))), int64(len(content))
		if len(content) == 0 {
			req.Body = http.NoBody
		}
	}
}

// streamed sends bytes in chunked transfer coding, as a client does that does not know their number.
func streamed(content []byte) option {
	return func(req *http.Request) {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(content)), -1
	}
}

func contentRange(value string) option { return header("Content-Range", value) }

// answer is what came back, its body read to the end.
type answer struct {
	testing.TB
	what   string
	status int
	header http.Header
	body   []byte
	length int64
}

// do sends a request. The target is a path, or a whole URL as in a Location.
func (r *registry) do(method, target string, options ...option) *answer {
	r.Helper()
	a, err := r.try(method, target, options...)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

// try is do for requests that may fail, and for other goroutines than the test's.
func (r *registry) try(method, target string, options ...option) (*answer, error) {
	if strings.HasPrefix(target, "/") {
		target = r.url + target
	}
	req, err := http.NewRequest(method, target, nil)
	if err != nil {
		return nil, err
	}
	for _, set := range options {
		set(req)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	return read(r, req.Method+" "+req.URL.RequestURI(), resp)
}

func read(t testing.TB, what string, resp *http.Response) (*answer, error) {
	defer resp.Body.Close()
	var content bytes.Buffer
	if resp.ContentLength > 0 && !strings.HasPrefix(what, http.MethodHead) {
		content.Grow(int(resp.ContentLength) + bytes.MinRead) // growing by doubling is most of the work with a large blob
	}
	_, err := content.ReadFrom(resp.Body)
	if len(what) > 160 { // a token says nothing
		what = what[:80] + "..." + what[len(what)-80:]
	}
	return &answer{TB: t, what: what, status: resp.StatusCode, header: resp.Header, body: content.Bytes(), length: resp.ContentLength}, err
}

// raw sends bytes as they are and says no more: the server reads an end there, whatever was promised.
func (r *registry) raw(head string, content []byte) *answer {
	r.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append([]byte(head), content...)); err != nil {
		r.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		r.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.Fatalf("%q: %v", head, err)
	}
	a, err := read(r, strings.SplitN(head, "\r\n", 2)[0], resp)
	if err != nil {
		r.Fatalf("%q: %v", head, err)
	}
	return a
}

// head is the start of a request for raw, its header lines given as name and value in one.
func head(method, target string, lines ...string) string {
	lines = append([]string{method + " " + target + " HTTP/1.1", "Host: registry"}, lines...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// want fails unless the status is that one.
func (a *answer) want(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: status %d, want %d; body %.500q", a.what, a.status, status, a.body)
	}
	return a
}

// has fails unless a header has a value.
func (a *answer) has(name, value string) *answer {
	a.Helper()
	if got := a.header.Get(name); got != value {
		a.Fatalf("%s: %s is %q, want %q", a.what, name, got, value)
	}
	return a
}

// lacks fails if a header is there.
func (a *answer) lacks(name string) *answer {
	a.Helper()
	if got, ok := a.header[http.CanonicalHeaderKey(name)]; ok {
		a.Fatalf("%s: %s is %q, want none", a.what, name, got)
	}
	return a
}

// is fails unless the body is that one.
func (a *answer) is(content []byte) *answer {
	a.Helper()
	if !bytes.Equal(a.body, content) {
		a.Fatalf("%s: a body of %d bytes (%.200q), want %d bytes (%.200q)", a.what, len(a.body), a.body, len(content), content)
	}
	return a
}

// location is where the answer points.
func (a *answer) location() string {
	a.Helper()
	location := a.header.Get("Location")
	if location == "" {
		a.Fatalf("%s: no Location", a.what)
	}
	return location
}

// errorItem is one error of the spec's form ("Error Codes").
type errorItem struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Detail  map[string]any `json:"detail"`
}

// fails checks that the answer is an error of the spec's form with these codes, in this order. An answer to a HEAD has no body to look at.
func (a *answer) fails(status int, codes ...string) []errorItem {
	a.Helper()
	a.want(status).has("Content-Type", "application/json")
	if strings.HasPrefix(a.what, http.MethodHead) {
		return nil
	}
	var document struct{ Errors []errorItem }
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		a.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	var got []string
	for _, item := range document.Errors {
		got = append(got, item.Code)
		if item.Message == "" {
			a.Fatalf("%s: an error without a message: %s", a.what, a.body)
		}
	}
	if !slices.Equal(got, codes) {
		a.Fatalf("%s: codes %q, want %q; body %s", a.what, got, codes, a.body)
	}
	return document.Errors
}

// into decodes a body of JSON.
func into[T any](a *answer) T {
	a.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return v
}
