package integration_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

type tagList struct {
	Name string
	Tags []string
}

// tags checks a page of the tags of a repository, and gives where the next one is, "" after the last.
func (r *registry) tags(name, query string, want ...string) (next string) {
	r.Helper()
	target := "/v2/" + name + "/tags/list"
	if query != "" {
		target += "?" + query
	}
	a := r.do("GET", target).want(http.StatusOK).has("Content-Type", "application/json")
	list := into[tagList](a)
	if list.Name != name || !slices.Equal(list.Tags, want) || list.Tags == nil {
		r.Fatalf("%s: %s, want %q", a.what, a.body, want)
	}
	return a.next()
}

// next is the target of the answer's Link to the page that follows (RFC 8288), "" without one.
func (a *answer) next() string {
	a.Helper()
	link := a.header.Get("Link")
	if link == "" {
		return ""
	}
	target, found := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	if !found {
		a.Fatalf("%s: Link %q", a.what, link)
	}
	return target
}

func (r *registry) pushTags(name string, tags ...string) {
	r.Helper()
	content := r.newImage(name, name)
	query := url.Values{"tag": tags}
	r.put(name, sha256(content).String()+"?"+query.Encode(), v1.MediaTypeImageManifest, content).want(http.StatusCreated)
}

// TestTags lists in byte order (end-8a, end-8b), which a store that thinks in folders gets wrong for names that begin with each other.
func TestTags(t *testing.T) {
	each(t, func(r *registry) {
		r.pushTags("a", "1.2.1", "1.2-alpine", "1.2", "latest", "_x", "Z", "1", "z", "1.2_1", "1.10")
		all := []string{"1", "1.10", "1.2", "1.2-alpine", "1.2.1", "1.2_1", "Z", "_x", "latest", "z"}
		r.pushTags("a/b", "not-mine")
		r.pushTags("ab", "not-mine")
		for _, c := range []struct {
			query string
			from  int
			to    int
			more  bool
		}{
			{"", 0, 10, false},
			{"n=10", 0, 10, false},
			{"n=11", 0, 10, false},
			{"n=999999", 0, 10, false},
			{"n=", 0, 10, false},
			{"n=9", 0, 9, true},
			{"n=1", 0, 1, true},
			{"n=0", 0, 0, false},
			{"n=0&last=1", 0, 0, false},
			{"last=1.2", 3, 10, false},
			{"last=1.2-alpine", 4, 10, false},
			{"last=1.2.0", 4, 10, false},
			{"last=z", 10, 10, false},
			{"last=zz", 10, 10, false},
			{"last=0", 0, 10, false},
			{"n=2&last=1.2", 3, 5, true},
			{"n=1&last=latest", 9, 10, false},
			{"last=1.2&n=3", 3, 6, true},
		} {
			r.run("?"+c.query, func(r *registry) {
				if next := r.tags("a", c.query, all[c.from:c.to]...); (next != "") != c.more {
					r.Errorf("Link to %q", next)
				}
			})
		}
		for _, n := range []int{1, 2, 3, 9, 10} {
			var got []string
			for target := fmt.Sprintf("/v2/a/tags/list?n=%d", n); target != ""; {
				a := r.do("GET", target).want(http.StatusOK)
				got, target = append(got, into[tagList](a).Tags...), a.next()
			}
			if !slices.Equal(got, all) {
				r.Errorf("by pages of %d: %q", n, got)
			}
		}
	})
}

func TestTagsRefused(t *testing.T) {
	each(t, func(r *registry) {
		r.do("GET", "/v2/nobody/tags/list").fails(http.StatusNotFound, "NAME_UNKNOWN")
		r.do("GET", "/v2/nobody/tags/list?n=0").fails(http.StatusNotFound, "NAME_UNKNOWN")
		r.pushTags("a/b", "1")
		r.do("GET", "/v2/a/tags/list").fails(http.StatusNotFound, "NAME_UNKNOWN")
		for _, n := range []string{"-1", "x", "1.5", "1e3", "0x10", "+1", "%201", "99999999999999999999"} {
			for _, path := range []string{"/v2/a/b/tags/list", "/v2/_catalog"} {
				r.do("GET", path+"?n="+n).fails(http.StatusBadRequest, "PAGINATION_NUMBER_INVALID")
			}
		}
	})
}

// TestTagsManyDeleted skips what is gone, however much of it there is.
func TestTagsManyDeleted(t *testing.T) {
	each(t, func(r *registry) {
		var tags []string
		for i := range 50 {
			tags = append(tags, fmt.Sprintf("t%02d", i))
		}
		r.pushTags("a", tags...)
		for _, tag := range tags[5:45] {
			r.do("DELETE", "/v2/a/manifests/"+tag).want(http.StatusAccepted)
		}
		if next := r.tags("a", "n=7", "t00", "t01", "t02", "t03", "t04", "t45", "t46"); next == "" {
			r.Error("no Link")
		}
		r.tags("a", "last=t10", tags[45:]...)
		r.tags("a", "n=5&last=t10", tags[45:]...)
	})
}

// TestCatalog lists repositories in byte order, of which the store has its own idea. It is Docker's, not the OCI's.
func TestCatalog(t *testing.T) {
	each(t, func(r *registry) {
		catalog := func(query string, want ...string) (next string) {
			r.Helper()
			a := r.do("GET", "/v2/_catalog"+query).want(http.StatusOK).has("Content-Type", "application/json")
			got := into[struct{ Repositories []string }](a).Repositories
			if !slices.Equal(got, want) || got == nil {
				r.Fatalf("%s: %s, want %q", a.what, a.body, want)
			}
			return a.next()
		}
		catalog("")
		all := []string{"a", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "b"}
		for _, name := range []string{"b", "a/b/c", "a_b", "a", "a0", "a/b", "a-b", "a.b"} {
			r.pushImage(name, "1")
		}
		r.begin("only-an-upload")
		r.pushBlob("only-a-blob", nil)
		catalog("", all...)
		for _, c := range []struct {
			query    string
			from, to int
			more     bool
		}{
			{"?n=8", 0, 8, false}, {"?n=100", 0, 8, false}, {"?n=7", 0, 7, true}, {"?n=0", 0, 0, false}, {"?n=1", 0, 1, true},
			{"?last=a", 1, 8, false}, {"?last=a.b", 3, 8, false}, {"?last=a/b", 4, 8, false}, {"?last=a%2Fb", 4, 8, false}, {"?last=a/a", 3, 8, false},
			{"?last=b", 8, 8, false}, {"?n=2&last=a-b", 2, 4, true}, {"?n=1&last=a_b", 7, 8, false},
		} {
			r.run(c.query, func(*registry) {
				if next := catalog(c.query, all[c.from:c.to]...); (next != "") != c.more {
					r.Errorf("%s: Link to %q", c.query, next)
				}
			})
		}
		for _, n := range []int{1, 2, 3, 7} {
			var got []string
			for target := fmt.Sprintf("/v2/_catalog?n=%d", n); target != ""; {
				a := r.do("GET", target).want(http.StatusOK)
				got, target = append(got, into[struct{ Repositories []string }](a).Repositories...), a.next()
			}
			if !slices.Equal(got, all) {
				r.Errorf("by pages of %d: %q", n, got)
			}
		}
		r.do("GET", "/v2/_catalog?last=A").fails(http.StatusBadRequest, "NAME_INVALID")
	})
}
