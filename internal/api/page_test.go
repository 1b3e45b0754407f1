package api

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/reference"
)

func validTag(s string) error {
	_, err := reference.ParseTag(s)
	return err
}

func validName(s string) error {
	_, err := reference.ParseName(s)
	return err
}

var pages = []struct {
	query string
	want  page
	code  string
}{
	{"", page{n: maxPage}, ""},
	{"n=", page{n: maxPage}, ""},
	{"n=0", page{n: 0}, ""},
	{"n=1", page{n: 1}, ""},
	{"n=007", page{n: 7}, ""},
	{"n=1000", page{n: 1000}, ""},
	{"n=1001", page{n: maxPage}, ""},
	{"n=9223372036854775807", page{n: maxPage}, ""},
	{"last=v1", page{n: maxPage, last: "v1"}, ""},
	{"n=5&last=1.2-alpine", page{n: 5, last: "1.2-alpine"}, ""},
	{"n=0&last=v1", page{n: 0, last: "v1"}, ""},
	{"n=1&n=2", page{n: 1}, ""},

	{"n=-1", page{}, codePaginationNumberInvalid},
	{"n=-0", page{}, codePaginationNumberInvalid},
	{"n=%2B1", page{}, codePaginationNumberInvalid},
	{"n=+1", page{}, codePaginationNumberInvalid},
	{"n=1.0", page{}, codePaginationNumberInvalid},
	{"n=1e3", page{}, codePaginationNumberInvalid},
	{"n=0x10", page{}, codePaginationNumberInvalid},
	{"n=all", page{}, codePaginationNumberInvalid},
	{"n=9223372036854775808", page{}, codePaginationNumberInvalid},
	{"n=" + strings.Repeat("9", 1000), page{}, codePaginationNumberInvalid},
	{"last=a/b", page{}, codeTagInvalid},
	{"last=..%2F..", page{}, codeTagInvalid},
	{"last=%00", page{}, codeTagInvalid},
	{"last=" + strings.Repeat("a", 129), page{}, codeTagInvalid},
}

func TestParsePage(t *testing.T) {
	t.Parallel()
	for _, tc := range pages {
		query, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsePage(query, validTag)
		var refused *routeError
		if errors.As(err, &refused) != (tc.code != "") || refused != nil && refused.code != tc.code || got != tc.want {
			t.Errorf("parsePage(%q) = %+v, %v; want %+v, %s", tc.query, got, err, tc.want, tc.code)
		}
	}
}

func TestParsePageOfNames(t *testing.T) {
	t.Parallel()
	if p, err := parsePage(url.Values{"last": {"a/b"}}, validName); err != nil || p.last != "a/b" {
		t.Errorf("%+v, %v", p, err)
	}
	var refused *routeError
	if _, err := parsePage(url.Values{"last": {"A"}}, validName); !errors.As(err, &refused) || refused.code != codeNameInvalid {
		t.Error(err)
	}
}

func FuzzPage(f *testing.F) {
	for _, tc := range pages {
		f.Add(tc.query)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, _ := url.ParseQuery(raw) // the good part of a bad query, as net/http does it
		p, err := parsePage(query, validTag)
		if err != nil {
			var refused *routeError
			if !errors.As(err, &refused) || p != (page{}) {
				t.Fatalf("parsePage(%q) = %+v, %v", raw, p, err)
			}
			return
		}
		if p.n < 0 || p.n > maxPage || p.last != "" && validTag(p.last) != nil {
			t.Fatalf("parsePage(%q) = %+v", raw, p)
		}
		again, err := parsePage(url.Values{"n": {strconv.Itoa(p.n)}, "last": {p.last}}, validTag)
		if err != nil || again != p {
			t.Fatalf("parsePage(%q) = %+v, which is read back as %+v, %v", raw, p, again, err)
		}
	})
}
