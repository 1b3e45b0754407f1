package integration_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	mediaTypeDocker     = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeArtifact   = "application/vnd.oci.artifact.manifest.v1+json"
	mediaTypeForeign    = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// noise is n bytes that look like nothing, always the same for one seed.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	content := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(content)
	return content
}

func sha256(content []byte) digest.Digest { return digest.SHA256.FromBytes(content) }
func sha512(content []byte) digest.Digest { return digest.SHA512.FromBytes(content) }

func describe(mediaType string, content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: sha256(content), Size: int64(len(content))}
}

func encode(document any) []byte {
	content, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return content
}

// pushBlob stores a blob by the shortest way.
func (r *registry) pushBlob(name string, content []byte) digest.Digest {
	r.Helper()
	d := sha256(content)
	r.do(http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+d.String(), body(content)).want(http.StatusCreated)
	return d
}

// begin starts an upload and gives its Location.
func (r *registry) begin(name string, query ...string) string {
	r.Helper()
	target := "/v2/" + name + "/blobs/uploads/"
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	return r.do(http.MethodPost, target).want(http.StatusAccepted).location()
}

// holds checks that a repository serves a blob.
func (r *registry) holds(name string, d digest.Digest, content []byte) {
	r.Helper()
	r.do(http.MethodGet, "/v2/"+name+"/blobs/"+d.String()).want(http.StatusOK).has("Docker-Content-Digest", d.String()).is(content)
}

// lacksBlob checks that it does not.
func (r *registry) lacksBlob(name string, d digest.Digest) {
	r.Helper()
	r.do(http.MethodGet, "/v2/"+name+"/blobs/"+d.String()).fails(http.StatusNotFound, "BLOB_UNKNOWN")
	r.do(http.MethodHead, "/v2/"+name+"/blobs/"+d.String()).fails(http.StatusNotFound)
}

// newImage pushes the blobs of a small image and gives its manifest, unlike that of any other seed; edit may change it.
func (r *registry) newImage(name, seed string, edit ...func(*v1.Manifest)) []byte {
	r.Helper()
	config, layer := fmt.Appendf(nil, `{"created by":%q}`, seed), []byte("layer of "+seed)
	r.pushBlob(name, config)
	r.pushBlob(name, layer)
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: describe(v1.MediaTypeImageConfig, config), Layers: []v1.Descriptor{describe(v1.MediaTypeImageLayerGzip, layer)},
	}
	for _, change := range edit {
		change(&m)
	}
	return encode(m)
}

func newIndex(children ...v1.Descriptor) v1.Index {
	return v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: children}
}

// put sends a manifest.
func (r *registry) put(name, ref, mediaType string, content []byte, options ...option) *answer {
	r.Helper()
	return r.do(http.MethodPut, "/v2/"+name+"/manifests/"+ref, append([]option{header("Content-Type", mediaType), body(content)}, options...)...)
}

// pushImage stores a small image under a tag and gives the digest of its manifest.
func (r *registry) pushImage(name, tag string, edit ...func(*v1.Manifest)) digest.Digest {
	r.Helper()
	content := r.newImage(name, name+":"+tag, edit...)
	r.put(name, tag, v1.MediaTypeImageManifest, content).want(http.StatusCreated)
	return sha256(content)
}

// pushIndex stores an index under its digest.
func (r *registry) pushIndex(name string, index v1.Index) digest.Digest {
	r.Helper()
	content := encode(index)
	r.put(name, sha256(content).String(), v1.MediaTypeImageIndex, content).want(http.StatusCreated)
	return sha256(content)
}

// serves checks that a repository has a manifest under a tag or digest, to the byte.
func (r *registry) serves(name, ref, mediaType string, d digest.Digest, content []byte) {
	r.Helper()
	target := "/v2/" + name + "/manifests/" + ref
	get := r.do(http.MethodGet, target).want(http.StatusOK).has("Docker-Content-Digest", d.String()).has("Content-Type", mediaType).is(content)
	stat := r.do(http.MethodHead, target).want(http.StatusOK).has("Docker-Content-Digest", d.String()).has("Content-Type", mediaType)
	if get.length != int64(len(content)) || stat.length != int64(len(content)) {
		r.Fatalf("%s: lengths %d by GET and %d by HEAD, want %d", target, get.length, stat.length, len(content))
	}
}

// lacksManifest checks that it has none there.
func (r *registry) lacksManifest(name, ref string) {
	r.Helper()
	r.do(http.MethodGet, "/v2/"+name+"/manifests/"+ref).fails(http.StatusNotFound, "MANIFEST_UNKNOWN")
	r.do(http.MethodHead, "/v2/"+name+"/manifests/"+ref).fails(http.StatusNotFound)
}

// closing adds the digest to the Location of an upload.
func closing(location string, d digest.Digest) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + d.String()
}
