package events

import (
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/reference"
)

func TestWants(t *testing.T) {
	t.Parallel()
	push, pull, blob, gone := samples["push-image"], samples["pull-manifest"], samples["push-blob"], samples["delete-tag"]
	for name, c := range map[string]struct {
		opts Options
		want [4]bool // push, pull, blob, gone
	}{
		"all":              {Options{}, [4]bool{true, true, true, true}},
		"disabled":         {Options{Disabled: true}, [4]bool{}},
		"no blobs":         {Options{IgnoredMediaTypes: []string{"application/octet-stream"}}, [4]bool{true, true, false, true}},
		"no images":        {Options{IgnoredMediaTypes: []string{push.Target.MediaType}}, [4]bool{false, false, true, true}},
		"pushes":           {Options{IgnoredActions: []Action{Pull, Mount, Delete}}, [4]bool{true, false, true, false}},
		"others":           {Options{Include: []string{"team/**", "library"}}, [4]bool{}},
		"one of them":      {Options{Include: []string{"team/**", "library/*"}}, [4]bool{true, true, true, true}},
		"pushes of images": {Options{IgnoredMediaTypes: []string{"application/octet-stream"}, IgnoredActions: []Action{Pull, Delete}}, [4]bool{true}},
	} {
		c.opts.Name, c.opts.URL = "test", "https://events.example.com"
		e, err := NewEndpoint(c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := [4]bool{e.Wants(&push), e.Wants(&pull), e.Wants(&blob), e.Wants(&gone)}; got != c.want {
			t.Errorf("%s: wants %v of a push, a pull, a blob and a deletion; it should be %v", name, got, c.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yes, no []reference.Name
	}{
		{"library/app", []reference.Name{"library/app"}, []reference.Name{"library", "library/apps", "library/app/x", "x/library/app"}},
		{"library/*", []reference.Name{"library/app", "library/x"}, []reference.Name{"library", "library/a/b"}},
		{"*", []reference.Name{"app"}, []reference.Name{"library/app"}},
		{"**", []reference.Name{"app", "library/app", "a/b/c"}, nil},
		{"team/**", []reference.Name{"team", "team/a", "team/a/b"}, []reference.Name{"teams", "x/team", "x/team/a"}},
		{"**/cache", []reference.Name{"cache", "a/cache", "a/b/cache", "cache/cache"}, []reference.Name{"cache/a", "a/caches"}},
		{"a/**/b/**/c", []reference.Name{"a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"}, []reference.Name{"a/c", "a/c/b", "a/b/c/d"}},
		{"**/**/a", []reference.Name{"a", "b/a", "c/b/a"}, []reference.Name{"b"}},
		{"team-?/*-dev", []reference.Name{"team-a/app-dev", "team-b/-dev"}, []reference.Name{"team-ab/app-dev", "team-a/dev"}},
		{"[a-c]pp/[^x]*", []reference.Name{"app/a", "cpp/yx"}, []reference.Name{"dpp/a", "app/x1", "app"}},
		{"a**b", []reference.Name{"axb", "ab"}, []reference.Name{"a/b"}},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range c.yes {
			if !p.match(name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range c.no {
			if p.match(name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
	for _, bad := range []string{"", "/a", "a/", "a//b", "[", "a/[b", "a/\\", "[]"} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("the pattern %q is accepted", bad)
		}
	}
}

// TestPatternIsQuick: a pattern of many ** meets a name that almost matches.
func TestPatternIsQuick(t *testing.T) {
	t.Parallel()
	p, err := parsePattern(strings.Repeat("**/a/", 60) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if p.match(reference.Name(strings.Repeat("a/", 126) + "a")) {
		t.Error("it matches")
	}
}
