package integration_test

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestManifestInvalid refuses what is no manifest, and what two readers could read in two ways. Nothing of it is stored.
func TestManifestInvalid(t *testing.T) {
	each(t, func(r *registry) {
		image := string(r.newImage("a", "good"))
		with := func(member string) string { return strings.Replace(image, "{", "{"+member+",", 1) }
		index := string(encode(newIndex([]v1.Descriptor{}...)))
		layer := func(descriptor string) string {
			return strings.Replace(image, `"layers":[`, `"layers":[`+descriptor+",", 1)
		}
		d := sha256(nil).String()
		for _, c := range []struct {
			name, mediaType, content string
		}{
			{"nothing", v1.MediaTypeImageManifest, ""},
			{"white space", v1.MediaTypeImageManifest, "  "},
			{"no JSON", v1.MediaTypeImageManifest, "manifest"},
			{"half a JSON", v1.MediaTypeImageManifest, image[:len(image)/2]},
			{"two documents", v1.MediaTypeImageManifest, image + image},
			{"a list", v1.MediaTypeImageManifest, "[" + image + "]"},
			{"null", v1.MediaTypeImageManifest, "null"},
			{"a string", v1.MediaTypeImageManifest, `"manifest"`},
			{"not UTF-8", v1.MediaTypeImageManifest, with("\"x\":\"\xff\"")},
			{"nested without end", v1.MediaTypeImageManifest, with(`"x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500))},
			{"no schemaVersion", v1.MediaTypeImageManifest, strings.Replace(image, `"schemaVersion":2,`, "", 1)},
			{"schemaVersion 1", v1.MediaTypeImageManifest, strings.Replace(image, `"schemaVersion":2`, `"schemaVersion":1`, 1)},
			{"schema 1", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1,"name":"a","fsLayers":[],"signatures":[]}`},
			{"no media type at all", "", strings.Replace(image, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1)},
			{"media type of a page", "text/html", `{}`},
			{"media type that is none", "manifest", `{}`},
			{"mediaType that differs", v1.MediaTypeImageIndex, image},
			{"mediaType that differs, unknown type", "application/vnd.example+json", image},
			{"mediaType of Docker under OCI", v1.MediaTypeImageManifest, strings.Replace(image, v1.MediaTypeImageManifest, mediaTypeDocker, 1)},
			{"Docker without mediaType", mediaTypeDocker, strings.Replace(image, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1)},
			{"manifests in an image", v1.MediaTypeImageManifest, with(`"manifests":[]`)},
			{"layers in an index", v1.MediaTypeImageIndex, strings.Replace(index, "{", `{"layers":[],`, 1)},
			{"config in an index", v1.MediaTypeImageIndex, strings.Replace(index, "{", `{"config":{},`, 1)},
			{"fsLayers in an image", v1.MediaTypeImageManifest, with(`"fsLayers":[]`)},
			{"no manifests in an index", v1.MediaTypeImageIndex, `{"schemaVersion":2}`},
			{"no config in an image", v1.MediaTypeImageManifest, `{"schemaVersion":2,"layers":[]}`},
			{"a member twice", v1.MediaTypeImageManifest, with(`"layers":[]`)},
			{"a member in another spelling", v1.MediaTypeImageManifest, with(`"Layers":[]`)},
			{"layers that are no list", v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"` + d + `","size":0},"layers":{}}`},
			{"layer without digest", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","size":1}`)},
			{"layer with a bad digest", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","digest":"sha256:1","size":1}`)},
			{"layer with a digest of another algorithm", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1}`)},
			{"layer without size", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","digest":"` + d + `"}`)},
			{"layer of negative size", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","digest":"` + d + `","size":-1}`)},
			{"layer with data that it is not", v1.MediaTypeImageManifest, layer(`{"mediaType":"a/b","digest":"` + d + `","size":0,"data":"YQ=="}`)},
			{"subject without digest", v1.MediaTypeImageManifest, with(`"subject":{"mediaType":"a/b","size":1}`)},
			{"subject that is a string", v1.MediaTypeImageManifest, with(`"subject":"` + d + `"`)},
			{"annotations that are no strings", v1.MediaTypeImageManifest, with(`"annotations":{"a":1}`)},
		} {
			for _, ref := range []string{"tag", sha256([]byte(c.content)).String()} {
				r.run(c.name+" by "+ref, func(r *registry) {
					r.untouched(func() {
						r.put("a", ref, c.mediaType, []byte(c.content)).fails(http.StatusBadRequest, "MANIFEST_INVALID")
					})
					r.lacksManifest("a", ref)
				})
			}
		}
		r.untouched(func() {
			r.put("a", "tag", v1.MediaTypeImageManifest, []byte(image), header("Content-Encoding", "gzip")).fails(http.StatusUnsupportedMediaType, "UNSUPPORTED")
		})
	})
}
