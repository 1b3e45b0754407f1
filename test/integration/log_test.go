package integration_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/registryd/registryd/internal/uploadtoken"
)

// line is the one line that the log has of the request with an id. The answer may be read before its line is written, but not before a later
// request on the same connection is answered.
func (r *registry) line(id string) (zapcore.Level, map[string]any) {
	r.Helper()
	r.do("GET", "/v2/", header("X-Request-Id", "the one behind "+id))
	var level zapcore.Level
	var found map[string]any
	for _, entry := range r.logs.FilterMessage("request").All() {
		if fields := entry.ContextMap(); fields["request"] == id {
			if found != nil {
				r.Fatalf("two lines of request %s", id)
			}
			level, found = entry.Level, fields
		}
	}
	if found == nil {
		r.Fatalf("no line of request %s", id)
	}
	return level, found
}

func TestLogLines(t *testing.T) {
	each(t, func(r *registry) {
		content := []byte("content")
		d := sha256(content).String()
		for i, c := range []struct {
			method, target, body string
			want                 map[string]any
		}{
			{"GET", "/v2/", "", map[string]any{"route": "base", "status": int64(200), "out": int64(2)}},
			{"GET", "/v2/_catalog", "", map[string]any{"route": "catalog", "status": int64(200)}},
			{"POST", "/v2/a/b/blobs/uploads/?digest=" + d, "content", map[string]any{"route": "uploads", "status": int64(201), "repository": "a/b", "in": int64(7), "out": int64(0)}},
			{"GET", "/v2/a/b/blobs/" + d, "", map[string]any{"route": "blob", "status": int64(200), "repository": "a/b", "reference": d, "out": int64(7)}},
			{"HEAD", "/v2/a/b/manifests/latest", "", map[string]any{"route": "manifest", "status": int64(404), "repository": "a/b", "reference": "latest", "out": int64(0)}},
			{"GET", "/v2/a/b/tags/list", "", map[string]any{"route": "tags", "status": int64(404), "repository": "a/b"}},
			{"GET", "/v2/a/b/referrers/" + d, "", map[string]any{"route": "referrers", "status": int64(200), "reference": d}},
			{"PATCH", "/v2/a/b/blobs/uploads/token", "more", map[string]any{"route": "upload", "status": int64(404), "repository": "a/b"}},
			{"GET", "/v2/A/tags/list", "", map[string]any{"route": "tags", "status": int64(400)}},
			{"GET", "/elsewhere", "", map[string]any{"route": "unknown", "status": int64(404), "path": `"/elsewhere"`}},
			{"BREW", "/v2/", "", map[string]any{"route": "base", "status": int64(405), "method": "other"}},
		} {
			id := "request-" + string(rune('a'+i))
			r.do(c.method, c.target, body(c.body), header("X-Request-Id", id), header("User-Agent", "tester/1")).has("X-Request-Id", id)
			level, line := r.line(id)
			if _, ok := c.want["method"]; !ok {
				c.want["method"] = c.method
			}
			c.want["instance"], c.want["agent"] = "node", "tester/1"
			for field, want := range c.want {
				if line[field] != want {
					r.Errorf("%s %s: %s is %#v, want %#v", c.method, c.target, field, line[field], want)
				}
			}
			if _, has := line["repository"]; has != (c.want["repository"] != nil) && c.want["route"] != "referrers" {
				r.Errorf("%s %s: repository %v", c.method, c.target, line["repository"])
			}
			for _, field := range []string{"took", "remote"} {
				if line[field] == nil {
					r.Errorf("%s %s: no %s", c.method, c.target, field)
				}
			}
			if _, has := line["error"]; has != (c.want["status"].(int64) >= 400) || level != zapcore.InfoLevel {
				r.Errorf("%s %s: level %s, error %v", c.method, c.target, level, line["error"])
			}
			for _, value := range line {
				if s, ok := value.(string); ok && strings.Contains(s, "token") {
					r.Errorf("a token is in the log: %s", s)
				}
			}
		}
	})
}

// TestRequestID: a proxy's is taken if it can stand in a log, and everyone else gets a new one.
func TestRequestID(t *testing.T) {
	each(t, func(r *registry) {
		seen := map[string]bool{}
		for _, sent := range []string{"", strings.Repeat("x", 129), "a b", "tab\there", "é", "\"quoted\""} {
			got := r.do("GET", "/v2/", header("X-Request-Id", sent)).header.Get("X-Request-Id")
			if plain := sent == `"quoted"`; plain != (got == sent) || got == "" || seen[got] {
				r.Errorf("%q was answered with %q", sent, got)
			}
			seen[got] = true
		}
		r.do("GET", "/v2/A/tags/list", header("X-Request-Id", "an-error")).has("X-Request-Id", "an-error").want(http.StatusBadRequest)
	})
}

// panicky is a part that fails in the worst way.
type panicky struct{ uploadtoken.Provider }

func (panicky) Issue(context.Context, uploadtoken.Upload) (string, error) {
	panic("secret inner state")
}

// TestPanic in one request is a 500 for that and for no other.
func TestPanic(t *testing.T) {
	each(t, func(r *registry) {
		for range 2 {
			a := r.do("POST", "/v2/a/blobs/uploads/", header("X-Request-Id", "panics"))
			a.fails(http.StatusInternalServerError, "UNKNOWN")
			if strings.Contains(string(a.body), "secret") {
				r.Errorf("the inside is shown: %s", a.body)
			}
			a.has("X-Request-Id", "panics")
			r.do("GET", "/v2/").want(http.StatusOK)
		}
		if lines := r.logs.FilterMessage("a request panicked").All(); len(lines) != 2 || lines[0].ContextMap()["request"] != "panics" {
			r.Errorf("the log has %v", lines)
		}
		for _, entry := range r.logs.FilterMessage("request").All() {
			if fields := entry.ContextMap(); fields["request"] == "panics" && (fields["status"] != int64(500) || entry.Level != zapcore.ErrorLevel) {
				r.Errorf("the log has %s %v", entry.Level, fields)
			}
		}
	}, func(s *setup) {
		s.tokens = func(p uploadtoken.Provider) uploadtoken.Provider { return panicky{p} }
	})
}
