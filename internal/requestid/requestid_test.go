package requestid

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	for sent, kept := range map[string]bool{
		"": false, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "a\tb": false, "é": false, `"quoted"`: true,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set(Header, sent)
		got := Of(r)
		if (got == sent) != kept || got == "" || made[got] {
			t.Errorf("%q gave %q", sent, got)
		}
		made[got] = true
	}
}
