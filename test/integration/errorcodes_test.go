package integration_test

import (
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// errorCases provoke every code of the table "Error Codes" of the OCI distribution spec but UNAUTHORIZED (code-11), DENIED (code-12) and
// TOOMANYREQUESTS (code-14): this registry knows neither users nor limits.
var errorCases = []struct {
	id, code string
	status   int
	provoke  func(r *registry) *answer
}{
	{"code-1", "BLOB_UNKNOWN", 404, func(r *registry) *answer {
		return r.do("GET", "/v2/a/blobs/"+sha256(nil).String())
	}},
	{"code-2", "BLOB_UPLOAD_INVALID", 400, func(r *registry) *answer {
		return r.do("PATCH", r.begin("a"), body("12"), contentRange("one-two"))
	}},
	{"code-3", "BLOB_UPLOAD_UNKNOWN", 404, func(r *registry) *answer {
		return r.do("GET", "/v2/a/blobs/uploads/unknown")
	}},
	{"code-4", "DIGEST_INVALID", 400, func(r *registry) *answer {
		return r.do("PUT", closing(r.begin("a"), sha256([]byte("12"))), body("21"))
	}},
	{"code-5", "MANIFEST_BLOB_UNKNOWN", 404, func(r *registry) *answer {
		return r.put("a", "1", v1.MediaTypeImageIndex, encode(newIndex(describe(v1.MediaTypeImageManifest, []byte("{}")))))
	}},
	{"code-6", "MANIFEST_INVALID", 400, func(r *registry) *answer {
		return r.put("a", "1", v1.MediaTypeImageIndex, []byte("{}"))
	}},
	{"code-7", "MANIFEST_UNKNOWN", 404, func(r *registry) *answer {
		return r.do("GET", "/v2/a/manifests/1")
	}},
	{"code-8", "NAME_INVALID", 400, func(r *registry) *answer {
		return r.do("GET", "/v2/A/tags/list")
	}},
	{"code-9", "NAME_UNKNOWN", 404, func(r *registry) *answer {
		return r.do("GET", "/v2/a/tags/list")
	}},
	{"code-10", "SIZE_INVALID", 400, func(r *registry) *answer {
		return r.do("PATCH", r.begin("a"), body("12"), contentRange("0-9"))
	}},
	{"code-13", "UNSUPPORTED", 405, func(r *registry) *answer {
		return r.do("PUT", "/v2/a/tags/list")
	}},
}

func TestErrorCodes(t *testing.T) {
	each(t, func(r *registry) {
		for _, c := range errorCases {
			r.run(c.id+" "+c.code, func(r *registry) {
				r.untouched(func() { c.provoke(r).fails(c.status, c.code) })
			})
		}
	})
}
