package integration_test

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestLocations are relative, which is right behind any proxy, unless it is asked for absolute ones.
func TestLocations(t *testing.T) {
	each(t, func(r *registry) {
		host := strings.TrimPrefix(r.url, "http://")
		for _, c := range []struct {
			name    string
			setting setting
			headers []option
			want    string
		}{
			{"relative", func(*setup) {}, []option{header("X-Forwarded-Host", "evil.example")}, ""},
			{"a fixed one", func(s *setup) { s.api.Host = "https://registry.example/" }, []option{header("X-Forwarded-Host", "evil.example")}, "https://registry.example"},
			{"by the request", func(s *setup) { s.api.AbsoluteURL = true }, []option{func(req *http.Request) { req.Host = host }}, "http://" + host},
			{"by the proxy", func(s *setup) { s.api.AbsoluteURL = true },
				[]option{header("X-Forwarded-Proto", "https, http"), header("X-Forwarded-Host", "proxy.example, inner")}, "https://proxy.example"},
		} {
			r.run(c.name, func(r *registry) {
				node := r.beside(c.setting)
				image := r.newImage("a", "a")
				r.pushTags("a", "1", "2")
				for _, a := range []*answer{
					node.do("POST", "/v2/a/blobs/uploads/", c.headers...).want(http.StatusAccepted),
					node.do("PATCH", r.begin("a"), append(c.headers, body("x"))...).want(http.StatusAccepted),
					node.do("GET", r.begin("a"), c.headers...).want(http.StatusNoContent),
					node.do("POST", "/v2/a/blobs/uploads/?digest="+sha256(nil).String(), c.headers...).want(http.StatusCreated),
					node.put("a", "1", v1.MediaTypeImageManifest, image, c.headers...).want(http.StatusCreated),
				} {
					if !strings.HasPrefix(a.location(), c.want+"/v2/a/") {
						r.Errorf("%s: Location %s, want %s/v2/a/...", a.what, a.location(), c.want)
					}
				}
				if next := node.do("GET", "/v2/a/tags/list?n=1", c.headers...).next(); next != c.want+"/v2/a/tags/list?last=1&n=1" {
					r.Errorf("Link to %s", next)
				}
			})
		}
	})
}
