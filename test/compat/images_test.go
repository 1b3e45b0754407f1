//go:build stores

package compat_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pushBlob stores a blob by the shortest way.
func (s *side) pushBlob(repo string, blob []byte) v1.Descriptor {
	s.Helper()
	d := digest.FromBytes(blob)
	s.ask(http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), request{body: blob}).want(http.StatusCreated)
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d, Size: int64(len(blob))}
}

// image pushes the blobs of an image, one of which its manifest's record does not hold, and gives the manifest; edit may change it.
func (s *side) image(repo, seed string, edit ...func(*v1.Manifest)) []byte {
	s.Helper()
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: s.pushBlob(repo, []byte(`{"by":"`+seed+`"}`)), Layers: []v1.Descriptor{s.pushBlob(repo, noise(100_000, seed))}}
	m.SchemaVersion, m.Config.MediaType = 2, v1.MediaTypeImageConfig
	for _, change := range edit {
		change(&m)
	}
	return encode(s, m)
}

func encode(s *side, document any) []byte {
	s.Helper()
	content, err := json.Marshal(document)
	if err != nil {
		s.Fatal(err)
	}
	return content
}

// put pushes a manifest under tags, or under its digest if there are none.
func (s *side) put(repo string, content []byte, tags ...string) digest.Digest {
	s.Helper()
	d := digest.FromBytes(content)
	var m struct{ MediaType string }
	if err := json.Unmarshal(content, &m); err != nil {
		s.Fatal(err)
	}
	if len(tags) == 0 {
		tags = []string{d.String()}
	}
	for _, tag := range tags {
		s.ask(http.MethodPut, "/v2/"+repo+"/manifests/"+tag, typed(m.MediaType, content)).want(http.StatusCreated).has("Docker-Content-Digest", d.String())
	}
	return d
}

// serves reads a manifest by tag or digest.
func (s *side) serves(repo, ref string, content []byte) {
	s.Helper()
	d := digest.FromBytes(content).String()
	s.ask(http.MethodHead, "/v2/"+repo+"/manifests/"+ref, request{}).want(http.StatusOK).has("Docker-Content-Digest", d)
	s.ask(http.MethodGet, "/v2/"+repo+"/manifests/"+ref, request{}).want(http.StatusOK).has("Docker-Content-Digest", d).is(content)
}

func (s *side) lacks(target string) {
	s.Helper()
	s.ask(http.MethodHead, target, request{}).want(http.StatusNotFound)
	s.ask(http.MethodGet, target, request{}).want(http.StatusNotFound)
}

func (s *side) remove(target string) {
	s.Helper()
	s.ask(http.MethodDelete, target, request{}).want(http.StatusAccepted)
}

// pages follows a list from page to page.
func (s *side) pages(target string) (all []string) {
	s.Helper()
	for target != "" {
		a := s.ask(http.MethodGet, target, request{}).want(http.StatusOK)
		all = append(all, strings.TrimSpace(string(a.body)))
		target, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
	}
	return all
}

// agree checks that both releases give the same list, and that it holds each of these words.
func agree(a, b *side, target string, words ...string) {
	a.Helper()
	mine, theirs := strings.Join(a.pages(target), "\n"), strings.Join(b.pages(target), "\n")
	if mine != theirs {
		a.Errorf("%s is by the %s release:\n%s\nand by the %s one:\n%s", target, a.release, mine, b.release, theirs)
	}
	for _, word := range words {
		if !strings.Contains(mine, `"`+word+`"`) {
			a.Errorf("%s lacks %q: %s", target, word, mine)
		}
	}
}

// TestImages pushes, moves and deletes on one release, and looks on the other.
func TestImages(t *testing.T) {
	t.Parallel()
	c, old, now := sides(t)
	for _, part := range []struct {
		name string
		run  func(t *testing.T, a, b *side)
	}{
		{"tags", tagsMove},
		{"referrers", referrersAreListed},
		{"mounts", blobsAreMounted},
		{"tag deleted", tagIsDeleted},
		{"manifest deleted", manifestIsDeleted},
		{"blob deleted", blobIsDeleted},
	} {
		t.Run(part.name, func(t *testing.T) { both(t, old, now, part.run) })
	}
	agree(old.in(t), now.in(t), "/v2/_catalog")
	agree(old.in(t), now.in(t), "/v2/_catalog?n=2", "tags/old", "tags/new", "mounts/new/to")
	fsck(t, c.Store, newProgram(t))
}

func tagsMove(t *testing.T, a, b *side) {
	repo := "tags/" + a.release
	first, second := a.image(repo, t.Name()+"1"), b.image(repo, t.Name()+"2")
	a.put(repo, first, "moves", "stays")
	b.serves(repo, "moves", first)
	b.serves(repo, digest.FromBytes(first).String(), first)
	for i, push := range []struct {
		by, other *side
		content   []byte
	}{{b, a, second}, {a, b, first}, {b, a, first}, {b, a, second}, {a, b, second}, {b, a, first}} {
		push.by.put(repo, push.content, "moves")
		push.other.serves(repo, "moves", push.content)
		push.by.serves(repo, "moves", push.content)
		push.other.serves(repo, "stays", first)
		if t.Failed() {
			t.Fatalf("after move %d", i)
		}
	}
	index := encode(a, v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{
		{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(first), Size: int64(len(first))},
		{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(second), Size: int64(len(second))},
	}})
	index = []byte(strings.Replace(string(index), `"schemaVersion":0`, `"schemaVersion":2`, 1))
	b.put(repo, index, "many", "moves")
	a.serves(repo, "many", index)
	a.serves(repo, "moves", index)
	a.put(repo, first, "1.2", "1.2-alpine", "1.2.1")
	agree(a, b, "/v2/"+repo+"/tags/list", "many", "moves", "stays", "1.2.1")
	agree(b, a, "/v2/"+repo+"/tags/list?n=2", "1.2-alpine")
}

func referrersAreListed(t *testing.T, a, b *side) {
	repo := "referrers/" + a.release
	subject := a.image(repo, t.Name())
	of := func(s *side, kind string) []byte {
		return s.image(repo, t.Name()+kind, func(m *v1.Manifest) {
			m.Subject = &v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(subject), Size: int64(len(subject))}
			m.ArtifactType, m.Annotations = "application/vnd.example."+kind, map[string]string{"kind": kind}
		})
	}
	early := b.put(repo, of(b, "early")) // before its subject
	a.put(repo, subject, "subject")
	late := a.put(repo, of(a, "late"))
	list := "/v2/" + repo + "/referrers/" + digest.FromBytes(subject).String()
	agree(a, b, list, early.String(), late.String(), "early", "late")
	agree(a, b, list+"?artifactType=application/vnd.example.early", early.String())
	a.remove("/v2/" + repo + "/manifests/" + early.String())
	b.remove("/v2/" + repo + "/manifests/" + late.String())
	agree(a, b, list)
	if left := strings.Join(b.pages(list), ""); strings.Contains(left, early.String()) || strings.Contains(left, late.String()) {
		t.Errorf("deleted referrers are listed: %s", left)
	}
}

func blobsAreMounted(t *testing.T, a, b *side) {
	from, to := "mounts/"+a.release+"/from", "mounts/"+a.release+"/to"
	for _, size := range []int{1000, 200_000} {
		blob := noise(size, t.Name())
		d := a.pushBlob(from, blob).Digest
		b.ask(http.MethodPost, "/v2/"+to+"/blobs/uploads/?mount="+d.String()+"&from="+from, request{}).want(http.StatusCreated)
		a.holds(to, d, blob)
		b.holds(to, d, blob)
	}
	image := b.image(to, t.Name())
	a.put(to, image, "mounted")
	b.serves(to, "mounted", image)
}

func tagIsDeleted(t *testing.T, a, b *side) {
	repo := "untagged/" + a.release
	image := a.image(repo, t.Name())
	d := a.put(repo, image, "gone", "stays")
	tag := "/v2/" + repo + "/manifests/gone"
	b.remove(tag)
	a.lacks(tag)
	b.lacks(tag)
	a.ask(http.MethodDelete, tag, request{}).want(http.StatusNotFound)
	a.serves(repo, d.String(), image)
	agree(a, b, "/v2/"+repo+"/tags/list", "stays")
	a.put(repo, image, "gone") // over a tombstone of the other release
	b.serves(repo, "gone", image)
	b.remove(tag)
	b.put(repo, image, "gone")
	a.serves(repo, "gone", image)
}

func manifestIsDeleted(t *testing.T, a, b *side) {
	repo := "deleted/" + a.release
	image, other := a.image(repo, t.Name()), b.image(repo, t.Name()+"other")
	a.put(repo, image, "one", "two", "moved")
	d := b.put(repo, image, "three")
	a.put(repo, other, "moved") // the tag's mark at image stays
	for _, by := range []struct{ deletes, looks *side }{{b, a}, {a, b}} {
		by.deletes.remove("/v2/" + repo + "/manifests/" + d.String())
		for _, s := range []*side{by.looks, by.deletes} {
			for _, ref := range []string{d.String(), "one", "two", "three"} {
				s.lacks("/v2/" + repo + "/manifests/" + ref)
			}
			s.serves(repo, "moved", other)
		}
		agree(a, b, "/v2/"+repo+"/tags/list", "moved")
		by.looks.put(repo, image, "one", "three") // over the tombstones
		by.deletes.serves(repo, "three", image)
		by.deletes.serves(repo, d.String(), image)
	}
}

func blobIsDeleted(t *testing.T, a, b *side) {
	repo := "blobs/" + a.release
	blob := noise(150_000, t.Name())
	for _, by := range []struct{ pushes, deletes *side }{{a, b}, {b, a}} {
		d := by.pushes.pushBlob(repo, blob).Digest
		by.deletes.holds(repo, d, blob)
		by.deletes.remove("/v2/" + repo + "/blobs/" + d.String())
		by.pushes.lacks("/v2/" + repo + "/blobs/" + d.String())
	}
	a.put(repo, a.image(repo, t.Name()), "keep") // an empty repository would be in no catalog
}
