//go:build stores

package integration_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// archives is an image whose layers are archives and whose config tells of them, so that tools can convert it.
type archives struct {
	layers      [][]byte // the lowest first
	oci, docker []byte   // manifests of both kinds
}

// pushArchives pushes the blobs of one, unlike those of another architecture.
func (r *registry) pushArchives(name, architecture string) archives {
	r.Helper()
	var a archives
	created := time.Unix(1e9, 0).UTC()
	config := v1.Image{Created: &created, Platform: v1.Platform{Architecture: architecture, OS: "linux"}}
	config.Config = v1.ImageConfig{Env: []string{"PATH=/bin"}, Cmd: []string{"/none"}, Labels: map[string]string{"for": architecture}}
	config.RootFS.Type = "layers"
	for _, step := range []string{"first", "", "last"} {
		config.History = append(config.History, v1.History{Created: &created, CreatedBy: "step " + step, EmptyLayer: step == ""})
		if step == "" {
			continue
		}
		layer, id := archive(r.T, step, "of "+architecture)
		a.layers, config.RootFS.DiffIDs = append(a.layers, layer), append(config.RootFS.DiffIDs, id)
		r.pushBlob(name, layer)
	}
	content := encode(config)
	r.pushBlob(name, content)
	form := func(mediaType, configType, layerType string) []byte {
		layers := []v1.Descriptor{describe(layerType, a.layers[0]), describe(layerType, a.layers[1])}
		return encode(object{"schemaVersion": 2, "mediaType": mediaType, "config": describe(configType, content), "layers": layers})
	}
	a.oci = form(v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip)
	a.docker = form(mediaTypeDocker, "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
	return a
}

// archive is a layer with one file, and the digest of what it holds uncompressed.
func archive(t *testing.T, name, content string) (layer []byte, id digest.Digest) {
	t.Helper()
	var plain, zipped bytes.Buffer
	files, zip := tar.NewWriter(&plain), gzip.NewWriter(&zipped)
	err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	for _, step := range []func() error{
		func() error { _, err := files.Write([]byte(content)); return err }, files.Close,
		func() error { _, err := zip.Write(plain.Bytes()); return err }, zip.Close,
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return zipped.Bytes(), sha256(plain.Bytes())
}

// listOf is an index or list of two images, amd64 and arm64.
func listOf(mediaType, imageType string, images ...[]byte) []byte {
	var children []v1.Descriptor
	for i, architecture := range []string{"amd64", "arm64"} {
		child := describe(imageType, images[i])
		child.Platform = &v1.Platform{Architecture: architecture, OS: "linux"}
		children = append(children, child)
	}
	return encode(object{"schemaVersion": 2, "mediaType": mediaType, "manifests": children})
}

// emptyLayer is the archive without files, compressed, which schema 1 has for a step that changes no file.
const emptyLayer = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"

// isPayload checks what is signed of the image in schema 1: the layers with the uppermost first, and in its history what the config said.
func (a archives) isPayload(t *testing.T, payload []byte, name, tag string) {
	t.Helper()
	var m struct {
		Name, Tag, Architecture string
		FSLayers                []struct{ BlobSum digest.Digest }
		History                 []struct{ V1Compatibility string }
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	var layers []digest.Digest
	for _, layer := range m.FSLayers {
		layers = append(layers, layer.BlobSum)
	}
	want := []digest.Digest{sha256(a.layers[1]), emptyLayer, sha256(a.layers[0])}
	if m.Name != name || m.Tag != tag || m.Architecture != "amd64" || !slices.Equal(layers, want) || len(m.History) != 3 {
		t.Fatalf("it is no image %s:%s of the layers %v: %s", name, tag, want, payload)
	}
	var top v1.Image
	if err := json.Unmarshal([]byte(m.History[0].V1Compatibility), &top); err != nil {
		t.Fatal(err)
	}
	if top.OS != "linux" || !slices.Equal(top.Config.Cmd, []string{"/none"}) || top.Config.Labels["for"] != "amd64" {
		t.Errorf("the config is not that of the image: %s", m.History[0].V1Compatibility)
	}
}

// files are those of the image in a folder that skopeo has pulled into.
func (a archives) files(manifest []byte) map[string][]byte {
	files := map[string][]byte{"manifest.json": manifest}
	for _, layer := range a.layers {
		files[sha256(layer).Encoded()] = layer
	}
	return files
}
