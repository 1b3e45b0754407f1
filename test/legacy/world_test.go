//go:build stores

package legacy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

const (
	ociImage   = "application/vnd.oci.image.manifest.v1+json"
	ociIndex   = "application/vnd.oci.image.index.v1+json"
	ociConfig  = "application/vnd.oci.image.config.v1+json"
	ociLayer   = "application/vnd.oci.image.layer.v1.tar+gzip"
	dockerType = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"

	dockerConfig = "application/vnd.docker.container.image.v1+json"
	dockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

var accepted = []string{ociImage, ociIndex, dockerType, dockerList, "application/octet-stream"}

// world is what a registry must serve: all that clients were told is there, and nothing else.
type world struct {
	repos map[string]*repo
}

type repo struct {
	tags      map[string]digest.Digest
	manifests map[digest.Digest]document
	blobs     map[digest.Digest][]byte
	referrers map[digest.Digest][]digest.Digest // by subject; hidden ones come when the pass has seen them
	hidden    map[digest.Digest]bool
	gone      []string // tags and digests of manifests that must not be there
	goneBlobs []digest.Digest
}

type document struct {
	mediaType string
	content   []byte
}

func (w *world) repo(name string) *repo {
	if w.repos[name] == nil {
		w.repos[name] = &repo{
			tags: map[string]digest.Digest{}, manifests: map[digest.Digest]document{}, blobs: map[digest.Digest][]byte{},
			referrers: map[digest.Digest][]digest.Digest{}, hidden: map[digest.Digest]bool{},
		}
	}
	return w.repos[name]
}

func (w *world) copy() *world {
	c := &world{map[string]*repo{}}
	for name, r := range w.repos {
		other := *r
		other.tags, other.manifests, other.blobs = maps.Clone(r.tags), maps.Clone(r.manifests), maps.Clone(r.blobs)
		other.referrers, other.hidden = maps.Clone(r.referrers), maps.Clone(r.hidden)
		other.gone, other.goneBlobs = slices.Clone(r.gone), slices.Clone(r.goneBlobs)
		c.repos[name] = &other
	}
	return c
}

// canonical is the world without blobs that were pushed under another digest than sha256. CNCF Distribution does not find them again, nor does a registryd that
// may write nothing: it would store them once more.
func (w *world) canonical() *world {
	c := w.copy()
	for _, r := range c.repos {
		maps.DeleteFunc(r.blobs, func(d digest.Digest, _ []byte) bool { return d.Algorithm() != digest.SHA256 })
	}
	return c
}

func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func describe(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest.FromBytes(content).String(), "size": len(content)}
}

func encode(v any) []byte {
	content, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return content
}

// push stores an image and says so to the world.
func (w *world) push(c client, name string, mediaType string, edit func(map[string]any), layers [][]byte, tags ...string) digest.Digest {
	c.Helper()
	r := w.repo(name)
	config := []byte(`{"of":"` + name + strings.Join(tags, ",") + `"}`)
	configType, layerType := ociConfig, ociLayer
	if mediaType == dockerType {
		configType, layerType = dockerConfig, dockerLayer
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": mediaType, "config": describe(configType, config)}
	list := []any{}
	for _, blob := range append([][]byte{config}, layers...) {
		r.blobs[c.pushBlob(name, blob, digest.SHA256)] = blob
	}
	for _, layer := range layers {
		list = append(list, describe(layerType, layer))
	}
	m["layers"] = list
	if edit != nil {
		edit(m)
	}
	return w.put(c, name, mediaType, encode(m), tags...)
}

// refer pushes an artifact whose subject is what a tag points to.
func (w *world) refer(c client, name, tag string, seed uint64) digest.Digest {
	c.Helper()
	return w.referTo(c, name, w.repo(name).tags[tag], seed)
}

func (w *world) referTo(c client, name string, subject digest.Digest, seed uint64) digest.Digest {
	c.Helper()
	r := w.repo(name)
	d := w.push(c, name, ociImage, func(m map[string]any) {
		m["subject"], m["artifactType"] = describe(r.manifests[subject].mediaType, r.manifests[subject].content), "application/example"
	}, [][]byte{noise(seed, 10)})
	if !slices.Contains(r.referrers[subject], d) {
		r.referrers[subject] = append(r.referrers[subject], d)
	}
	return d
}

func (w *world) put(c client, name, mediaType string, content []byte, tags ...string) digest.Digest {
	c.Helper()
	r, d := w.repo(name), digest.FromBytes(content)
	r.manifests[d] = document{mediaType, content}
	if len(tags) == 0 {
		c.putManifest(name, d.String(), mediaType, content)
	}
	for _, tag := range tags {
		c.putManifest(name, tag, mediaType, content)
		r.tags[tag] = d
	}
	return d
}

func (w *world) index(c client, name, mediaType string, children []digest.Digest, tags ...string) digest.Digest {
	c.Helper()
	list := []any{}
	for i, d := range children {
		child := w.repo(name).manifests[d]
		one := describe(child.mediaType, child.content)
		one["platform"] = map[string]string{"os": "linux", "architecture": []string{"amd64", "arm64"}[i%2]}
		list = append(list, one)
	}
	return w.put(c, name, mediaType, encode(map[string]any{"schemaVersion": 2, "mediaType": mediaType, "manifests": list}), tags...)
}

// populate fills a CNCF Distribution. large is the size of what is large.
func populate(c client, large int) *world {
	c.Helper()
	w := &world{map[string]*repo{}}
	layer, other := noise(1, 3000), noise(2, 4000)

	w.push(c, "a", ociImage, nil, [][]byte{layer}, "1.2", "1.2-alpine", "1.2.1", "latest", "10", "1")
	w.push(c, "a", ociImage, nil, [][]byte{other}, "next")
	moved := w.push(c, "a", ociImage, nil, [][]byte{noise(9, 10)}, "old")
	w.push(c, "a", ociImage, nil, [][]byte{other}, "old") // a tag that was moved
	_ = moved

	amd := w.push(c, "a/b", dockerType, nil, [][]byte{layer})
	arm := w.push(c, "a/b", dockerType, nil, [][]byte{other})
	w.index(c, "a/b", dockerList, []digest.Digest{amd, arm}, "multi")
	child := w.push(c, "a/b", ociImage, nil, [][]byte{layer, other})
	w.index(c, "a/b", ociIndex, []digest.Digest{child}, "oci", "v1")

	w.push(c, "a-b", ociImage, nil, [][]byte{noise(3, large)}, "big")
	w.push(c, "a0", ociImage, func(m map[string]any) { delete(m, "mediaType") }, [][]byte{layer}, "untyped")
	w.push(c, "team/x/app", ociImage, func(m map[string]any) {
		m["annotations"] = map[string]string{"pad": strings.Repeat("long ", min(large, 100<<10)/5)}
	}, [][]byte{{}}, "long")

	// Artifacts: one that its client listed under the fallback tag, one that it did not.
	name := "a.b"
	r := w.repo(name)
	subject := w.push(c, name, ociImage, nil, [][]byte{layer}, "signed")
	refer := func(m map[string]any) {
		m["subject"] = describe(ociImage, r.manifests[subject].content)
		m["artifactType"] = "application/example"
	}
	listed := w.push(c, name, ociImage, refer, [][]byte{noise(4, 10)})
	w.index(c, name, ociIndex, []digest.Digest{listed}, strings.Replace(subject.String(), ":", "-", 1))
	unlisted := w.push(c, name, ociImage, refer, [][]byte{noise(5, 10)})
	r.referrers[subject] = []digest.Digest{listed, unlisted}
	r.hidden[unlisted] = true

	// What was deleted stays deleted.
	gone := w.push(c, "a", ociImage, nil, [][]byte{noise(6, 10)}, "gone")
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/a/manifests/"+gone.String(), "", nil)
	w.deleted("a", gone)

	// A blob under another digest than sha256.
	big := noise(7, min(large, 100<<10))
	w.repo("a").blobs[c.pushBlob("a", big, digest.SHA512)] = big

	// An upload that nobody will end.
	location := c.want(http.StatusAccepted, http.MethodPost, "/v2/a/blobs/uploads/", "", nil).header.Get("Location")
	c.want(http.StatusAccepted, http.MethodPatch, c.absolute(location), "application/octet-stream", noise(8, 1000))
	return w
}

// deleted takes a manifest out of the world, with its tags.
func (w *world) deleted(name string, d digest.Digest) {
	r := w.repo(name)
	delete(r.manifests, d)
	r.gone = append(r.gone, d.String())
	for tag, to := range r.tags {
		if to == d {
			delete(r.tags, tag)
			r.gone = append(r.gone, tag)
		}
	}
}

// check compares a registry with the world.
func (w *world) check(c client, imported bool) {
	c.Helper()
	names := slices.Sorted(maps.Keys(w.repos))
	for _, n := range []int{1, 2, 100} {
		if got := c.list("/v2/_catalog", "repositories", n); !slices.Equal(got, names) {
			c.Errorf("catalog by %d: %q, want %q", n, got, names)
		}
	}
	for _, name := range names {
		w.repos[name].check(c, name, imported)
	}
}

func (r *repo) check(c client, name string, imported bool) {
	c.Helper()
	tags := slices.Sorted(maps.Keys(r.tags))
	for _, n := range []int{1, 2, 100} {
		if got := c.list("/v2/"+name+"/tags/list", "tags", n); !slices.Equal(got, tags) {
			c.Errorf("tags of %s by %d: %q, want %q", name, n, got, tags)
		}
	}
	r.checkContent(c, name)
	r.checkReferrers(c, name, imported)
}

// checkContent asks for all that can be named.
func (r *repo) checkContent(c client, name string) {
	c.Helper()
	refs := map[string]digest.Digest{}
	for tag, d := range r.tags {
		refs[tag] = d
	}
	for d := range r.manifests {
		refs[d.String()] = d
	}
	for ref, d := range refs {
		want := r.manifests[d]
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := c.want(http.StatusOK, method, "/v2/"+name+"/manifests/"+ref, "", nil)
			if method == http.MethodGet && !bytes.Equal(a.body, want.content) || a.header.Get("Content-Type") != want.mediaType ||
				a.header.Get("Docker-Content-Digest") != d.String() || a.header.Get("Content-Length") != fmt.Sprint(len(want.content)) {
				c.Errorf("%s %s:%s: %q, want a %s", method, name, ref, a.header, want.mediaType)
			}
		}
	}
	for d, content := range r.blobs {
		if a := c.want(http.StatusOK, http.MethodHead, "/v2/"+name+"/blobs/"+d.String(), "", nil); a.header.Get("Content-Length") != fmt.Sprint(len(content)) {
			c.Errorf("HEAD %s@%s: %q", name, d, a.header)
		}
		if a := c.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/blobs/"+d.String(), "", nil); !bytes.Equal(a.body, content) {
			c.Errorf("GET %s@%s: %d bytes, want %d", name, d, len(a.body), len(content))
		}
	}
	for _, ref := range r.gone {
		c.want(http.StatusNotFound, http.MethodGet, "/v2/"+name+"/manifests/"+ref, "", nil)
		c.want(http.StatusNotFound, http.MethodHead, "/v2/"+name+"/manifests/"+ref, "", nil)
	}
	for _, d := range r.goneBlobs {
		c.want(http.StatusNotFound, http.MethodGet, "/v2/"+name+"/blobs/"+d.String(), "", nil)
	}
}

func (r *repo) checkReferrers(c client, name string, imported bool) {
	c.Helper()
	for subject, all := range r.referrers {
		var got struct {
			Manifests []struct{ Digest digest.Digest }
		}
		a := c.want(http.StatusOK, http.MethodGet, "/v2/"+name+"/referrers/"+subject.String(), "", nil)
		if err := json.Unmarshal(a.body, &got); err != nil {
			c.Fatal(err)
		}
		for _, d := range all {
			found := slices.ContainsFunc(got.Manifests, func(m struct{ Digest digest.Digest }) bool { return m.Digest == d })
			if !found && (imported || !r.hidden[d]) {
				c.Errorf("the referrer %s of %s is not listed", d, subject)
			}
		}
	}
}
