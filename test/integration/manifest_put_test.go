package integration_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestManifestPut pushes by tag and by digest (end-7a), more than once, and moves a tag.
func TestManifestPut(t *testing.T) {
	each(t, func(r *registry) {
		one, two := r.newImage("a", "one"), r.newImage("a", "two")
		for _, c := range []struct {
			ref     string
			content []byte
			d       digest.Digest
		}{
			{"latest", one, sha256(one)}, {"latest", one, sha256(one)}, {"latest", two, sha256(two)}, {"latest", one, sha256(one)},
			{sha256(two).String(), two, sha256(two)}, {sha512(one).String(), one, sha512(one)}, {sha512(one).String(), one, sha512(one)},
		} {
			a := r.put("a", c.ref, v1.MediaTypeImageManifest, c.content).want(http.StatusCreated)
			a.has("Docker-Content-Digest", c.d.String()).has("Location", "/v2/a/manifests/"+c.d.String()).has("Content-Length", "0")
			a.lacks("OCI-Subject").lacks("OCI-Tag")
			r.serves("a", c.ref, v1.MediaTypeImageManifest, c.d, c.content)
			r.serves("a", c.d.String(), v1.MediaTypeImageManifest, c.d, c.content)
		}
		r.lacksManifest("a", sha512(two).String())
		streamedPut := r.do("PUT", "/v2/a/manifests/streamed", header("Content-Type", v1.MediaTypeImageManifest), streamed(two))
		streamedPut.want(http.StatusCreated)
		r.serves("a", "streamed", v1.MediaTypeImageManifest, sha256(two), two)
	})
}

// TestManifestPutTags pushes by digest with tags beside it (end-7b).
func TestManifestPutTags(t *testing.T) {
	each(t, func(r *registry) {
		content := r.newImage("a", "tagged")
		for _, d := range []digest.Digest{sha256(content), sha512(content)} {
			var tags []string
			query := url.Values{}
			for i := range 20 {
				tags = append(tags, fmt.Sprintf("%s-1.%d", d.Algorithm(), i))
			}
			query["tag"] = append(slices.Clone(tags), tags[0])
			a := r.put("a", d.String()+"?"+query.Encode(), v1.MediaTypeImageManifest, content).want(http.StatusCreated).has("Docker-Content-Digest", d.String())
			if got := a.header.Values("OCI-Tag"); !slices.Equal(got, tags) {
				r.Errorf("OCI-Tag %q, want %q", got, tags)
			}
			for _, tag := range tags {
				r.serves("a", tag, v1.MediaTypeImageManifest, d, content)
			}
		}
		d := sha256(content).String()
		for name, c := range map[string]struct {
			ref    string
			status int
		}{
			"bad tag":      {d + "?tag=good&tag=-bad", 400},
			"empty tag":    {d + "?tag=", 400},
			"long tag":     {d + "?tag=" + strings.Repeat("a", 129), 400},
			"beside a tag": {"one?tag=two", 400},
			"too many":     {d + strings.Replace(strings.Repeat("&tag=x", 65), "&", "?", 1), 414},
		} {
			r.run(name, func(r *registry) {
				r.untouched(func() { r.put("a", c.ref, v1.MediaTypeImageManifest, content).fails(c.status, "TAG_INVALID") })
			})
		}
	})
}

// TestManifestDigestInvalid refuses a manifest that is not what its reference says.
func TestManifestDigestInvalid(t *testing.T) {
	each(t, func(r *registry) {
		content := r.newImage("a", "a")
		other := []byte("other")
		for _, ref := range []string{sha256(other).String(), sha512(other).String()} {
			r.untouched(func() {
				items := r.put("a", ref+"?tag=1", v1.MediaTypeImageManifest, content).fails(http.StatusBadRequest, "DIGEST_INVALID")
				if items[0].Detail["given"] != ref {
					r.Errorf("detail %v", items[0].Detail)
				}
			})
			r.lacksManifest("a", ref)
			r.lacksManifest("a", "1")
		}
	})
}

// TestManifestTooLarge: 4 MiB are taken, a byte more is not, however it comes.
func TestManifestTooLarge(t *testing.T) {
	each(t, func(r *registry) {
		content := r.newImage("a", "a")
		content = append(content, strings.Repeat(" ", 4<<20-len(content))...)
		r.put("a", "largest", v1.MediaTypeImageManifest, content).want(http.StatusCreated)
		r.serves("a", "largest", v1.MediaTypeImageManifest, sha256(content), content)
		content = append(content, ' ')
		for name, send := range map[string]option{"length": body(content), "chunked": streamed(content)} {
			for _, ref := range []string{"1", sha256(content).String()} {
				r.run(name+" "+ref, func(r *registry) {
					r.untouched(func() {
						items := r.do("PUT", "/v2/a/manifests/"+ref, header("Content-Type", v1.MediaTypeImageManifest), send)
						if got := items.fails(http.StatusRequestEntityTooLarge, "SIZE_INVALID"); got[0].Detail["limit"] != float64(4<<20) {
							r.Errorf("detail %v", got[0].Detail)
						}
					})
					r.lacksManifest("a", ref)
				})
			}
		}
		small := r.beside(func(s *setup) { s.api.MaxManifest = 100 })
		small.put("a", "1", v1.MediaTypeImageManifest, r.newImage("a", "a")).fails(http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	})
}

// TestManifestBlobUnknown names everything that a manifest refers to and the repository lacks, in the manifest's order, each once.
func TestManifestBlobUnknown(t *testing.T) {
	each(t, func(r *registry) {
		absent := func(name string) v1.Descriptor { return describe(v1.MediaTypeImageLayer, []byte(name)) }
		elsewhere := describe(v1.MediaTypeImageLayer, []byte("elsewhere"))
		r.pushBlob("other", []byte("elsewhere"))
		image := r.newImage("a", "image", func(m *v1.Manifest) {
			m.Config = describe(v1.MediaTypeImageConfig, []byte("absent config"))
			m.Layers = append(m.Layers, absent("1"), absent("2"), absent("1"), elsewhere)
		})
		child := describe(v1.MediaTypeImageManifest, r.newImage("a", "never pushed"))
		known := r.newImage("a", "known")
		r.put("a", "known", v1.MediaTypeImageManifest, known).want(http.StatusCreated)
		index := encode(newIndex(describe(v1.MediaTypeImageManifest, known), child, describe(v1.MediaTypeImageIndex, []byte("{}")), child))
		for _, c := range []struct {
			name, mediaType string
			content         []byte
			missing         []digest.Digest
		}{
			{"image", v1.MediaTypeImageManifest, image, []digest.Digest{sha256([]byte("absent config")), absent("1").Digest, absent("2").Digest, elsewhere.Digest}},
			{"index", v1.MediaTypeImageIndex, index, []digest.Digest{child.Digest, sha256([]byte("{}"))}},
		} {
			for _, ref := range []string{"tag", sha256(c.content).String(), sha256(c.content).String() + "?tag=tag"} {
				r.run(c.name+" by "+ref, func(r *registry) {
					r.untouched(func() {
						codes := slices.Repeat([]string{"MANIFEST_BLOB_UNKNOWN"}, len(c.missing))
						for i, item := range r.put("a", ref, c.mediaType, c.content).fails(http.StatusNotFound, codes...) {
							if item.Detail["digest"] != c.missing[i].String() {
								r.Errorf("error %d names %v, want %s", i, item.Detail, c.missing[i])
							}
						}
					})
					r.lacksManifest("a", "tag")
				})
			}
		}
	})
}
