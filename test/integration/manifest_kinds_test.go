package integration_test

import (
	"net/http"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/storage"
)

type object = map[string]any

// TestManifestKinds pushes and pulls every kind of manifest there is.
func TestManifestKinds(t *testing.T) {
	each(t, func(r *registry) {
		config, layer := []byte(`{"architecture":"amd64"}`), []byte("layer")
		r.pushBlob("a", config)
		r.pushBlob("a", layer)
		docker := encode(object{
			"schemaVersion": 2, "mediaType": mediaTypeDocker,
			"config": describe("application/vnd.docker.container.image.v1+json", config),
			"layers": []any{describe("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)},
		})
		oci := r.newImage("a", "oci")
		index := encode(newIndex(describe(v1.MediaTypeImageManifest, oci), describe(mediaTypeDocker, docker)))
		subject := describe(v1.MediaTypeImageManifest, oci)
		for _, c := range []struct {
			name, mediaType string
			content         []byte
			subject         string
		}{
			{"Docker image", mediaTypeDocker, docker, ""},
			{"Docker list", mediaTypeDockerList, encode(object{
				"schemaVersion": 2, "mediaType": mediaTypeDockerList,
				"manifests": []any{object{"mediaType": mediaTypeDocker, "digest": sha256(docker), "size": len(docker), "platform": object{"architecture": "amd64", "os": "linux"}}},
			}), ""},
			{"image", v1.MediaTypeImageManifest, oci, ""},
			{"image without mediaType", v1.MediaTypeImageManifest, r.newImage("a", "bare", func(m *v1.Manifest) { m.MediaType = "" }), ""},
			{"image without layers", v1.MediaTypeImageManifest, r.newImage("a", "bare", func(m *v1.Manifest) { m.Layers = []v1.Descriptor{} }), ""},
			{"image with members of its own", v1.MediaTypeImageManifest, append([]byte(`{"org.example": [1, {"x": null}],`), oci[1:]...), ""},
			{"index", v1.MediaTypeImageIndex, index, ""},
			{"empty index", v1.MediaTypeImageIndex, encode(newIndex([]v1.Descriptor{}...)), ""},
			{"nested index", v1.MediaTypeImageIndex, encode(newIndex(describe(v1.MediaTypeImageIndex, index))), ""},
			{"index of blobs", v1.MediaTypeImageIndex, encode(newIndex(describe("application/vnd.buildkit.cacheconfig.v0", config))), ""},
			{"artifact", v1.MediaTypeImageManifest, r.newImage("a", "artifact", func(m *v1.Manifest) {
				m.ArtifactType, m.Config, m.Subject = "application/vnd.example.sbom", describe("application/vnd.oci.empty.v1+json", config), &subject
			}), subject.Digest.String()},
			{"index with a subject", v1.MediaTypeImageIndex, encode(object{
				"schemaVersion": 2, "mediaType": v1.MediaTypeImageIndex, "manifests": []any{subject}, "subject": subject,
			}), subject.Digest.String()},
			{"artifact manifest", mediaTypeArtifact, encode(object{
				"mediaType": mediaTypeArtifact, "artifactType": "application/vnd.example", "blobs": []any{describe("text/plain", layer)}, "subject": subject,
			}), subject.Digest.String()},
			{"of an unknown type", "application/vnd.example.thing.v3+json", encode(object{
				"mediaType": "application/vnd.example.thing.v3+json", "layers": []any{describe("text/plain", layer)}, "manifests": "none of ours",
			}), ""},
			{"of an unknown type with a subject", "application/vnd.example.thing.v3+json", encode(object{"subject": subject}), subject.Digest.String()},
		} {
			for _, ref := range []string{"tag", sha256(c.content).String()} {
				r.run(c.name+" by "+ref, func(r *registry) {
					a := r.put("a", ref, c.mediaType, c.content).want(http.StatusCreated).has("OCI-Subject", c.subject)
					a.has("Docker-Content-Digest", sha256(c.content).String())
					r.serves("a", ref, c.mediaType, sha256(c.content), c.content)
				})
			}
		}
		r.put("a", "parameters", v1.MediaTypeImageManifest+"; charset=utf-8", oci).want(http.StatusCreated)
		r.serves("a", "parameters", v1.MediaTypeImageManifest, sha256(oci), oci)
		for _, header := range []string{"", "application/json"} {
			r.put("a", "by-field", header, docker).want(http.StatusCreated)
			r.serves("a", "by-field", mediaTypeDocker, sha256(docker), docker)
		}
	})
}

// TestManifestUnknownType: whatever a manifest of an unknown type refers to must be there, too.
func TestManifestUnknownType(t *testing.T) {
	each(t, func(r *registry) {
		absent := describe("text/plain", []byte("absent"))
		for name, document := range map[string]object{
			"layers": {"layers": []any{absent}}, "config": {"config": absent}, "blobs": {"blobs": []any{absent}}, "manifests": {"manifests": []any{absent}},
		} {
			r.run(name, func(r *registry) {
				r.untouched(func() {
					r.put("a", "tag", "application/vnd.example+json", encode(document)).fails(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")
				})
			})
		}
	})
}

// TestManifestForeignLayers need not be there: they may not be distributed.
func TestManifestForeignLayers(t *testing.T) {
	each(t, func(r *registry) {
		for name, layer := range map[string]v1.Descriptor{
			"Docker's":                 describe(mediaTypeForeign, []byte("elsewhere")),
			"OCI's, non-distributable": describe("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", []byte("elsewhere")),
			"with URLs":                {MediaType: v1.MediaTypeImageLayer, Digest: sha256(nil), Size: 0, URLs: []string{"https://example.org/layer"}},
		} {
			r.run(name, func(r *registry) {
				r.pushImage("a", "tag", func(m *v1.Manifest) { m.Layers = append(m.Layers, layer) })
			})
		}
	})
}

// TestManifestSubjectMissing takes a referrer before what it refers to.
func TestManifestSubjectMissing(t *testing.T) {
	each(t, func(r *registry) {
		subject := describe(v1.MediaTypeImageManifest, []byte("not there yet"))
		content := r.newImage("a", "early", func(m *v1.Manifest) { m.Subject = &subject })
		r.put("a", "early", v1.MediaTypeImageManifest, content).want(http.StatusCreated).has("OCI-Subject", subject.Digest.String())
		r.lacksManifest("a", subject.Digest.String())
	})
}

// TestIndexRule lets an index lack children, all of them or those for other platforms.
func TestIndexRule(t *testing.T) {
	each(t, func(r *registry) {
		child := func(os, architecture string, content []byte) v1.Descriptor {
			d := describe(v1.MediaTypeImageManifest, content)
			d.Platform = &v1.Platform{OS: os, Architecture: architecture}
			return d
		}
		amd64 := r.newImage("a", "amd64")
		r.put("a", "amd64", v1.MediaTypeImageManifest, amd64).want(http.StatusCreated)
		index := newIndex(child("linux", "amd64", amd64), child("linux", "arm64", []byte("absent")))
		without := newIndex(child("linux", "arm64", []byte("absent")))
		plain := newIndex(describe(v1.MediaTypeImageManifest, []byte("absent")))
		missing := newIndex(child("linux", "amd64", []byte("absent too")), child("linux", "arm64", []byte("absent")))

		only := func(s *setup) {
			s.storage.IndexRule = storage.IndexRule{Only: []storage.Platform{{OS: "linux", Architecture: "amd64"}}}
		}
		for _, c := range []struct {
			name    string
			rule    setting
			index   v1.Index
			missing int
		}{
			{"all: one is absent", func(*setup) {}, index, 1},
			{"none: one is absent", sparse, index, 0},
			{"none: all are absent", sparse, missing, 0},
			{"only amd64: arm64 is absent", only, index, 0},
			{"only amd64: there is but arm64", only, without, 0},
			{"only amd64: it is absent", only, missing, 1},
			{"only amd64: no platform given", only, plain, 0},
		} {
			r.run(c.name, func(r *registry) {
				content := encode(c.index)
				node := r.beside(c.rule)
				if c.missing > 0 {
					r.untouched(func() {
						node.put("a", "index", v1.MediaTypeImageIndex, content).fails(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")
					})
					return
				}
				node.put("a", "index", v1.MediaTypeImageIndex, content).want(http.StatusCreated)
				node.serves("a", "index", v1.MediaTypeImageIndex, sha256(content), content)
			})
		}
	})
}
