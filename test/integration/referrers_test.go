package integration_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// referrers gives the referrers of a manifest by their digests, from all pages, and checks each page.
func (r *registry) referrers(name string, subject digest.Digest, artifactType string) (all map[digest.Digest]v1.Descriptor, pages int) {
	r.Helper()
	all = map[digest.Digest]v1.Descriptor{}
	target := "/v2/" + name + "/referrers/" + subject.String()
	if artifactType != "" {
		target += "?artifactType=" + url.QueryEscape(artifactType)
	}
	for ; target != ""; pages++ {
		a := r.do("GET", target).want(http.StatusOK).has("Content-Type", v1.MediaTypeImageIndex)
		if artifactType != "" {
			a.has("OCI-Filters-Applied", "artifactType")
		} else {
			a.lacks("OCI-Filters-Applied")
		}
		index := into[v1.Index](a)
		if index.SchemaVersion != 2 || index.MediaType != v1.MediaTypeImageIndex || index.Manifests == nil || len(a.body) > 4<<20 {
			r.Fatalf("%s: %d bytes, %.200s", a.what, len(a.body), a.body)
		}
		for _, d := range index.Manifests {
			if _, twice := all[d.Digest]; twice {
				r.Errorf("%s is listed twice", d.Digest)
			}
			all[d.Digest] = d
		}
		target = a.next()
	}
	return all, pages
}

func (r *registry) wantReferrers(name string, subject digest.Digest, artifactType string, want ...v1.Descriptor) {
	r.Helper()
	got, _ := r.referrers(name, subject, artifactType)
	byDigest := map[digest.Digest]v1.Descriptor{}
	for _, d := range want {
		byDigest[d.Digest] = d
	}
	same := func(a, b v1.Descriptor) bool { return string(encode(a)) == string(encode(b)) }
	if !maps.EqualFunc(got, byDigest, same) {
		r.Fatalf("referrers %s\nwant %s", encode(slices.Collect(maps.Values(got))), encode(want))
	}
}

// TestReferrers lists what refers to a manifest, as it describes itself (end-12a, end-12b).
func TestReferrers(t *testing.T) {
	each(t, func(r *registry) {
		const name = "a"
		subjectContent := r.newImage(name, "subject")
		subject := describe(v1.MediaTypeImageManifest, subjectContent)
		r.wantReferrers(name, subject.Digest, "")
		r.wantReferrers(name, sha512(subjectContent), "")

		push := func(mediaType string, content []byte, artifactType string, annotations map[string]string) v1.Descriptor {
			r.Helper()
			r.put(name, sha256(content).String(), mediaType, content).want(http.StatusCreated).has("OCI-Subject", subject.Digest.String())
			d := describe(mediaType, content)
			d.ArtifactType, d.Annotations = artifactType, annotations
			return d
		}
		annotations := map[string]string{"org.example.note": "a <b> & \"c\"", "org.example.empty": ""}
		typed := push(v1.MediaTypeImageManifest, r.newImage(name, "typed", func(m *v1.Manifest) {
			m.Subject, m.ArtifactType, m.Annotations = &subject, "application/vnd.example.sbom", annotations
		}), "application/vnd.example.sbom", annotations)
		untyped := push(v1.MediaTypeImageManifest, r.newImage(name, "untyped", func(m *v1.Manifest) { m.Subject = &subject }), v1.MediaTypeImageConfig, nil)
		index := newIndex([]v1.Descriptor{}...)
		index.Subject, index.Annotations = &subject, map[string]string{"kind": "index"}
		bare := push(v1.MediaTypeImageIndex, encode(index), "", index.Annotations)
		index.ArtifactType = "application/vnd.example.sbom"
		typedIndex := push(v1.MediaTypeImageIndex, encode(index), index.ArtifactType, index.Annotations)
		strange := push(mediaTypeArtifact, encode(object{"mediaType": mediaTypeArtifact, "artifactType": "x/y", "subject": subject}), "x/y", nil)

		r.wantReferrers(name, subject.Digest, "", typed, untyped, bare, typedIndex, strange)
		r.wantReferrers(name, subject.Digest, "application/vnd.example.sbom", typed, typedIndex)
		r.wantReferrers(name, subject.Digest, v1.MediaTypeImageConfig, untyped)
		r.wantReferrers(name, subject.Digest, "nothing/like+this")
		r.wantReferrers("b", subject.Digest, "")
		r.wantReferrers(name, typed.Digest, "")

		r.do("DELETE", "/v2/a/manifests/"+typed.Digest.String()).want(http.StatusAccepted)
		r.wantReferrers(name, subject.Digest, "", untyped, bare, typedIndex, strange)
		r.wantReferrers(name, subject.Digest, "application/vnd.example.sbom", typedIndex)
		r.newImage(name, "typed")
		push(v1.MediaTypeImageManifest, r.newImage(name, "typed", func(m *v1.Manifest) {
			m.Subject, m.ArtifactType, m.Annotations = &subject, "application/vnd.example.sbom", annotations
		}), "", nil)
		r.wantReferrers(name, subject.Digest, "application/vnd.example.sbom", typed, typedIndex)

		// That the subject comes or goes changes nothing.
		r.put(name, "subject", v1.MediaTypeImageManifest, subjectContent).want(http.StatusCreated).lacks("OCI-Subject")
		r.wantReferrers(name, subject.Digest, "", typed, untyped, bare, typedIndex, strange)
		r.do("DELETE", "/v2/a/manifests/"+subject.Digest.String()).want(http.StatusAccepted)
		r.wantReferrers(name, subject.Digest, "", typed, untyped, bare, typedIndex, strange)
	})
}

// TestReferrersOfSha512 are kept under the digest that the subject field has.
func TestReferrersOfSha512(t *testing.T) {
	each(t, func(r *registry) {
		subject := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: sha512([]byte("subject")), Size: 7}
		content := r.newImage("a", "referrer", func(m *v1.Manifest) { m.Subject = &subject })
		want := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: sha512(content), Size: int64(len(content)), ArtifactType: v1.MediaTypeImageConfig}
		r.put("a", want.Digest.String(), v1.MediaTypeImageManifest, content).want(http.StatusCreated).has("OCI-Subject", subject.Digest.String())
		r.wantReferrers("a", subject.Digest, "", want)
		r.wantReferrers("a", sha256([]byte("subject")), "")
	})
}

// TestReferrersFallback adds those in an index that clients keep under a tag where there is no referrers API ("Referrers Tag Schema"): if they are
// there and have that subject; and as they describe themselves, which is not always how the index does.
func TestReferrersFallback(t *testing.T) {
	each(t, func(r *registry) {
		subject := describe(v1.MediaTypeImageManifest, []byte("subject"))
		tag := strings.Replace(subject.Digest.String(), ":", "-", 1)
		push := func(seed string, edit func(*v1.Manifest)) v1.Descriptor {
			r.Helper()
			content := r.newImage("a", seed, edit)
			r.put("a", sha256(content).String(), v1.MediaTypeImageManifest, content).want(http.StatusCreated)
			return describe(v1.MediaTypeImageManifest, content)
		}
		referrer := push("referrer", func(m *v1.Manifest) { m.Subject, m.ArtifactType = &subject, "x/y" })
		stranger := push("stranger", func(*v1.Manifest) {})
		other := push("other", func(m *v1.Manifest) { o := describe("x/y", []byte("other")); m.Subject = &o })
		lie := referrer
		lie.ArtifactType, lie.Annotations = "l/ie", map[string]string{"a": "lie"}
		listed := newIndex(lie, stranger, other)
		r.put("a", tag, v1.MediaTypeImageIndex, encode(listed)).want(http.StatusCreated)
		referrer.ArtifactType = "x/y"
		r.wantReferrers("a", subject.Digest, "", referrer)
		r.wantReferrers("a", subject.Digest, "l/ie")

		sparse := r.beside(sparse)
		listed = newIndex(lie, describe(v1.MediaTypeImageManifest, []byte("absent")))
		sparse.put("a", tag, v1.MediaTypeImageIndex, encode(listed)).want(http.StatusCreated)
		r.wantReferrers("a", subject.Digest, "", referrer)

		r.put("a", tag, v1.MediaTypeImageManifest, r.newImage("a", "an image under the tag")).want(http.StatusCreated)
		r.wantReferrers("a", subject.Digest, "", referrer)
		r.do("DELETE", "/v2/a/manifests/"+referrer.Digest.String()).want(http.StatusAccepted)
		r.wantReferrers("a", subject.Digest, "")
	})
}

// TestReferrersPages breaks a list that is too large for one index into several.
func TestReferrersPages(t *testing.T) {
	each(t, func(r *registry) {
		subject := describe(v1.MediaTypeImageManifest, []byte("subject"))
		want := map[digest.Digest]bool{}
		for i := range 16 {
			index := newIndex([]v1.Descriptor{}...)
			index.Subject, index.ArtifactType = &subject, fmt.Sprintf("type/%d", i%2)
			index.Annotations = map[string]string{"long": strings.Repeat("x", 420_000), "number": fmt.Sprint(i)}
			want[r.pushIndex("a", index)] = true
		}
		all, pages := r.referrers("a", subject.Digest, "")
		if pages < 3 || len(all) != len(want) {
			r.Errorf("%d referrers on %d pages, want %d on 3 or more", len(all), pages, len(want))
		}
		for d := range all {
			if !want[d] {
				r.Errorf("%s is none", d)
			}
		}
		if odd, pages := r.referrers("a", subject.Digest, "type/1"); pages < 2 || len(odd) != 8 {
			r.Errorf("%d of one type on %d pages", len(odd), pages)
		}
		r.do("GET", "/v2/a/referrers/"+subject.Digest.String()+"?last=nothing").fails(http.StatusBadRequest, "DIGEST_INVALID")
	})
}

func TestReferrersRefused(t *testing.T) {
	each(t, func(r *registry) {
		for _, bad := range []string{"latest", "sha256:short", "sha256:" + strings.Repeat("A", 64), "md5:" + strings.Repeat("a", 32), "sha256"} {
			r.do("GET", "/v2/a/referrers/"+bad).fails(http.StatusBadRequest, "DIGEST_INVALID")
		}
	})
}
