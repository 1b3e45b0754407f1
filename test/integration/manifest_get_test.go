package integration_test

import (
	"net/http"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestManifestGet pulls by tag and by digest (end-3). What is served is what was pushed, to the byte and under its own media type, whatever the
// client would rather have: converting a manifest changes its digest.
func TestManifestGet(t *testing.T) {
	each(t, func(r *registry) {
		content := append(r.newImage("a", "a"), "\n\t "...)
		d := sha256(content)
		r.put("a", "latest", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
		for name, accept := range map[string][]string{
			"none":               nil,
			"the same":           {v1.MediaTypeImageManifest},
			"all":                {"*/*"},
			"another":            {mediaTypeDocker},
			"JSON":               {"application/json"},
			"schema 1":           {"application/vnd.docker.distribution.manifest.v1+prettyjws"},
			"several lines":      {mediaTypeDocker, mediaTypeDockerList, v1.MediaTypeImageIndex},
			"with refusal of it": {v1.MediaTypeImageManifest + ";q=0, " + mediaTypeDocker},
		} {
			for _, ref := range []string{"latest", d.String()} {
				for _, method := range []string{"GET", "HEAD"} {
					r.run(method+" "+ref+", Accept "+name, func(r *registry) {
						a := r.do(method, "/v2/a/manifests/"+ref, func(req *http.Request) { req.Header["Accept"] = accept }).want(http.StatusOK)
						a.has("Content-Type", v1.MediaTypeImageManifest).has("Docker-Content-Digest", d.String()).has("ETag", `"`+d.String()+`"`)
						a.has("X-Content-Type-Options", "nosniff")
						if method == "GET" {
							a.is(content)
						}
						if a.length != int64(len(content)) {
							r.Errorf("Content-Length %d, want %d", a.length, len(content))
						}
					})
				}
			}
		}
	})
}

func TestManifestConditions(t *testing.T) {
	each(t, func(r *registry) {
		first := r.pushImage("a", "latest")
		etag := `"` + first.String() + `"`
		for _, ref := range []string{"latest", first.String()} {
			r.do("GET", "/v2/a/manifests/"+ref, header("If-None-Match", etag)).want(http.StatusNotModified).is(nil)
			r.do("HEAD", "/v2/a/manifests/"+ref, header("If-None-Match", etag)).want(http.StatusNotModified)
			r.do("GET", "/v2/a/manifests/"+ref, header("Range", "bytes=0-1")).want(http.StatusOK)
		}
		second := r.newImage("a", "another")
		r.put("a", "latest", v1.MediaTypeImageManifest, second).want(http.StatusCreated)
		r.do("GET", "/v2/a/manifests/latest", header("If-None-Match", etag)).want(http.StatusOK).is(second)
	})
}

// TestManifestUnknown: repositories do not see each other's manifests, and a blob is none.
func TestManifestUnknown(t *testing.T) {
	each(t, func(r *registry) {
		d := r.pushImage("theirs", "latest")
		layer := r.pushBlob("theirs", []byte("layer"))
		for _, c := range [][2]string{{"mine", "latest"}, {"mine", d.String()}, {"theirs/too", "latest"}, {"theirs", "other"}, {"theirs", "LATEST"}, {"theirs", layer.String()}} {
			r.lacksManifest(c[0], c[1])
		}
		r.lacksBlob("theirs", d)
	})
}
