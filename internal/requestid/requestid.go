// Package requestid names requests.
package requestid

import (
	"net/http"

	"github.com/oklog/ulid/v2"
)

// Header carries the id of a request in both directions, so that a proxy's log and ours can be laid side by side.
const Header = "X-Request-Id"

// Of takes the id that a proxy gave, if it can stand in a log, or makes one. It gives a new one each time it makes one.
func Of(r *http.Request) string {
	id := r.Header.Get(Header)
	if id == "" || len(id) > 128 {
		return ulid.Make().String()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return ulid.Make().String()
		}
	}
	return id
}
