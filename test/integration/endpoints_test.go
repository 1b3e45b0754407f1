package integration_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// endpointCases has every row of the table "Endpoints" of the OCI distribution spec, with every status that it names and that this registry has.
// Those it does not have: 401 (it asks for no credentials), and 404 for a POST of end-4 and end-11, because a repository comes into being with its
// first push, and a blob that cannot be mounted is one that can be uploaded (202).
//
// In a path, {name} is a repository that has an image and a referrer; {upload} is an upload begun for this case alone.
var endpointCases = []struct {
	id, method, path string
	options          []option
	status           int
	codes            []string
}{
	{"end-1", "GET", "/v2/", nil, 200, nil},
	{"end-1", "GET", "/v1/", nil, 404, []string{"NAME_UNKNOWN"}},

	{"end-2", "GET", "/v2/{name}/blobs/{blob}", nil, 200, nil},
	{"end-2", "HEAD", "/v2/{name}/blobs/{blob}", nil, 200, nil},
	{"end-2", "GET", "/v2/{name}/blobs/{unknown}", nil, 404, []string{"BLOB_UNKNOWN"}},
	{"end-2", "HEAD", "/v2/{name}/blobs/{unknown}", nil, 404, nil},
	{"end-2", "GET", "/v2/{nobody}/blobs/{blob}", nil, 404, []string{"BLOB_UNKNOWN"}},

	{"end-3", "GET", "/v2/{name}/manifests/{tag}", nil, 200, nil},
	{"end-3", "HEAD", "/v2/{name}/manifests/{tag}", nil, 200, nil},
	{"end-3", "GET", "/v2/{name}/manifests/{manifest}", nil, 200, nil},
	{"end-3", "HEAD", "/v2/{name}/manifests/{manifest}", nil, 200, nil},
	{"end-3", "GET", "/v2/{name}/manifests/none", nil, 404, []string{"MANIFEST_UNKNOWN"}},
	{"end-3", "HEAD", "/v2/{name}/manifests/none", nil, 404, nil},
	{"end-3", "GET", "/v2/{name}/manifests/{unknown}", nil, 404, []string{"MANIFEST_UNKNOWN"}},
	{"end-3", "HEAD", "/v2/{name}/manifests/{unknown}", nil, 404, nil},
	{"end-3", "GET", "/v2/{nobody}/manifests/{tag}", nil, 404, []string{"MANIFEST_UNKNOWN"}},

	{"end-4a", "POST", "/v2/{name}/blobs/uploads/", nil, 202, nil},
	{"end-4b", "POST", "/v2/{name}/blobs/uploads/?digest={new}", []option{body("new")}, 201, nil},
	{"end-4b", "POST", "/v2/{name}/blobs/uploads/?digest={new}", []option{body("old")}, 400, []string{"DIGEST_INVALID"}},
	{"end-4c", "POST", "/v2/{name}/blobs/uploads/?digest-algorithm=sha512", nil, 202, nil},
	{"end-4c", "POST", "/v2/{name}/blobs/uploads/?digest-algorithm=sha256&digest={new}", []option{body("new")}, 201, nil},
	{"end-4c", "POST", "/v2/{name}/blobs/uploads/?digest-algorithm=md5", nil, 400, []string{"DIGEST_INVALID"}},

	{"end-5", "PATCH", "{upload}", []option{body("new")}, 202, nil},
	{"end-5", "PATCH", "/v2/{name}/blobs/uploads/nothing", []option{body("new")}, 404, []string{"BLOB_UPLOAD_UNKNOWN"}},
	{"end-5", "PATCH", "{upload}", []option{body("new"), contentRange("7-9")}, 416, []string{"RANGE_INVALID"}},

	{"end-6", "PUT", "{upload}?digest={new}", []option{body("new")}, 201, nil},
	{"end-6", "PUT", "/v2/{name}/blobs/uploads/nothing?digest={new}", []option{body("new")}, 404, []string{"BLOB_UPLOAD_UNKNOWN"}},
	{"end-6", "PUT", "{upload}?digest={new}", []option{body("old")}, 400, []string{"DIGEST_INVALID"}},
	{"end-6", "PUT", "{upload}", []option{body("new")}, 400, []string{"DIGEST_INVALID"}},
	{"end-6", "PUT", "{upload}?digest={new}", []option{body("new"), contentRange("7-9")}, 416, []string{"RANGE_INVALID"}},

	{"end-7a", "PUT", "/v2/{name}/manifests/{tag}", []option{image("{document}")}, 201, nil},
	{"end-7a", "PUT", "/v2/{name}/manifests/{manifest}", []option{image("{document}")}, 201, nil},
	{"end-7a", "PUT", "/v2/{nobody}/manifests/{tag}", []option{image("{document}")}, 404, []string{"MANIFEST_BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"}},
	{"end-7a", "PUT", "/v2/{name}/manifests/{tag}", []option{image("{huge}")}, 413, []string{"SIZE_INVALID"}},
	{"end-7b", "PUT", "/v2/{name}/manifests/{manifest}?tag=1&tag=2&tag=3", []option{image("{document}")}, 201, nil},
	{"end-7b", "PUT", "/v2/{nobody}/manifests/{manifest}?tag=1&tag=2", []option{image("{document}")}, 404, []string{"MANIFEST_BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"}},
	{"end-7b", "PUT", "/v2/{name}/manifests/{manifest}?tag=1&tag=2", []option{image("{huge}")}, 413, []string{"SIZE_INVALID"}},

	{"end-8a", "GET", "/v2/{name}/tags/list", nil, 200, nil},
	{"end-8a", "GET", "/v2/{nobody}/tags/list", nil, 404, []string{"NAME_UNKNOWN"}},
	{"end-8b", "GET", "/v2/{name}/tags/list?n=1&last=a", nil, 200, nil},
	{"end-8b", "GET", "/v2/{nobody}/tags/list?n=1&last=a", nil, 404, []string{"NAME_UNKNOWN"}},

	{"end-9", "DELETE", "/v2/{name}/manifests/none", nil, 404, []string{"MANIFEST_UNKNOWN"}},
	{"end-9", "DELETE", "/v2/{name}/manifests/{unknown}", nil, 404, []string{"MANIFEST_UNKNOWN"}},
	{"end-9", "DELETE", "/v2/{nobody}/manifests/{manifest}", nil, 404, []string{"MANIFEST_UNKNOWN"}},
	{"end-9", "DELETE", "/v2/{name}/manifests/sha256:short", nil, 400, []string{"DIGEST_INVALID"}},
	{"end-9", "DELETE", "{deletes off}/v2/{name}/manifests/{tag}", nil, 405, []string{"UNSUPPORTED"}},
	{"end-9", "DELETE", "{deletes off}/v2/{name}/manifests/{manifest}", nil, 405, []string{"UNSUPPORTED"}},

	{"end-10", "DELETE", "/v2/{name}/blobs/{unknown}", nil, 404, []string{"BLOB_UNKNOWN"}},
	{"end-10", "DELETE", "/v2/{nobody}/blobs/{blob}", nil, 404, []string{"BLOB_UNKNOWN"}},
	{"end-10", "DELETE", "/v2/{name}/blobs/sha256:short", nil, 400, []string{"DIGEST_INVALID"}},
	{"end-10", "DELETE", "{deletes off}/v2/{name}/blobs/{blob}", nil, 405, []string{"UNSUPPORTED"}},

	{"end-11", "POST", "/v2/{name}-mounted/blobs/uploads/?mount={blob}&from={name}", nil, 201, nil},
	{"end-11", "POST", "/v2/{name}-mounted/blobs/uploads/?mount={unknown}&from={name}", nil, 202, nil},

	{"end-12a", "GET", "/v2/{name}/referrers/{manifest}", nil, 200, nil},
	{"end-12a", "GET", "/v2/{name}/referrers/sha256:short", nil, 400, []string{"DIGEST_INVALID"}},
	{"end-12b", "GET", "/v2/{name}/referrers/{manifest}?artifactType=application/x", nil, 200, nil},
	{"end-12b", "GET", "/v2/{name}/referrers/sha256:short?artifactType=application/x", nil, 400, []string{"DIGEST_INVALID"}},

	{"end-13", "GET", "{upload}", nil, 204, nil},
	{"end-13", "GET", "/v2/{name}/blobs/uploads/nothing", nil, 404, []string{"BLOB_UPLOAD_UNKNOWN"}},
	{"end-14", "DELETE", "{upload}", nil, 204, nil},
	{"end-14", "DELETE", "/v2/{name}/blobs/uploads/nothing", nil, 404, []string{"BLOB_UPLOAD_UNKNOWN"}},

	// The deletions that work come last, from what hangs on nothing else.
	{"end-9", "DELETE", "/v2/{name}/manifests/{tag}", nil, 202, nil},
	{"end-9", "DELETE", "/v2/{name}/manifests/{manifest}", nil, 202, nil},
	{"end-10", "DELETE", "/v2/{name}/blobs/{blob}", nil, 202, nil},
}

// image marks the body of a manifest, of which there is none before the test has begun.
func image(which string) option {
	return func(req *http.Request) {
		req.Header.Set("Content-Type", v1.MediaTypeImageManifest)
		req.Header.Set("Body", which)
	}
}

func TestEndpoints(t *testing.T) {
	each(t, func(r *registry) {
		document := r.newImage("team/app", "team/app")
		manifest := sha256(document).String()
		r.put("team/app", "latest", v1.MediaTypeImageManifest, document).want(http.StatusCreated)
		huge := slices.Concat(document, []byte(strings.Repeat(" ", 4<<20)))
		off := r.beside(deletesOff)
		for _, c := range endpointCases {
			r.run(fmt.Sprintf("%s %s %s %d", c.id, c.method, c.path, c.status), func(r *registry) {
				path := strings.NewReplacer(
					"{deletes off}", off.url, "{name}", "team/app", "{nobody}", "team/nobody", "{tag}", "latest", "{manifest}", manifest,
					"{upload}", r.begin("team/app"), "{blob}", sha256([]byte("layer of team/app")).String(), "{unknown}", sha256([]byte("unknown")).String(),
					"{new}", sha256([]byte("new")).String(),
				).Replace(c.path)
				a := r.do(c.method, path, append(slices.Clone(c.options), func(req *http.Request) {
					switch req.Header.Get("Body") {
					case "{document}":
						body(document)(req)
					case "{huge}":
						body(huge)(req)
					}
					req.Header.Del("Body")
				})...)
				if c.status >= 400 {
					a.fails(c.status, c.codes...)
				}
				a.want(c.status).has("Docker-Distribution-Api-Version", "registry/2.0")
			})
		}
	})
}
