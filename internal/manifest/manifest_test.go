package manifest

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	typeConfig = "application/vnd.oci.image.config.v1+json"
	typeLayer  = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// blob gives the descriptor of some content, and as JSON with more members behind.
func blob(mediaType, content string, more ...string) (Descriptor, string) {
	d := Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	text := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d`, d.MediaType, d.Digest, d.Size)
	for _, m := range more {
		text += "," + m
	}
	return d, text + "}"
}

// text gives the descriptor of some content as JSON.
func text(mediaType, content string, more ...string) string {
	_, s := blob(mediaType, content, more...)
	return s
}

func sha512Blob(content string) (Descriptor, string) {
	d := Descriptor{MediaType: typeLayer, Digest: digest.SHA512.FromString(content), Size: int64(len(content))}
	return d, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
}

func TestParse(t *testing.T) {
	t.Parallel()
	config, configText := blob(typeConfig, "config")
	layer1, layer1Text := blob(typeLayer, "one")
	layer2, layer2Text := sha512Blob("two")
	child, childText := blob(MediaTypeOCIImage, "child", `"platform":{"os":"linux","architecture":"arm64","variant":"v8"}`)
	child.Platform = &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	subject, subjectText := blob(MediaTypeOCIIndex, "subject")
	nondistributable, nondistributableText := blob("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "foreign")
	dockerForeign, dockerForeignText := blob(dockerForeignLayer, "docker foreign")
	elsewhere, elsewhereText := blob(typeLayer, "elsewhere", `"urls":["https://example.com/layer"]`)
	elsewhere.URLs = []string{"https://example.com/layer"}
	empty, _ := blob("application/vnd.oci.empty.v1+json", "{}")
	empty.Data = []byte("{}")
	emptyText := text(empty.MediaType, "{}", `"data":"`+base64.StdEncoding.EncodeToString(empty.Data)+`"`)

	for _, tc := range []struct {
		name, mediaType, content string
		want                     Manifest
	}{
		{
			"OCI image", MediaTypeOCIImage,
			`{"schemaVersion":2,"mediaType":"` + MediaTypeOCIImage + `","config":` + configText + `,"layers":[` + layer1Text + `,` + layer2Text + `],` +
				`"annotations":{"a":"b"},"subject":` + subjectText + `}`,
			Manifest{
				MediaType: MediaTypeOCIImage, ArtifactType: typeConfig, Annotations: map[string]string{"a": "b"}, Subject: &subject,
				Blobs: []Descriptor{config, layer1, layer2},
			},
		},
		{
			"OCI image without mediaType, with parameters in the header", " Application/vnd.oci.image.manifest.v1+JSON ; charset=utf-8",
			" \n{\"schemaVersion\" : 2,\"config\":" + configText + ",\"layers\":[]}\r\n\t ",
			Manifest{MediaType: MediaTypeOCIImage, ArtifactType: typeConfig, Blobs: []Descriptor{config}},
		},
		{
			"nulls and unknown members", MediaTypeOCIImage,
			`{"schemaVersion":2,"mediaType":null,"config":` + configText + `,"layers":null,"subject":null,"annotations":null,"artifactType":null,` +
				`"newer":{"Config":[[]]},"newer":1}`,
			Manifest{MediaType: MediaTypeOCIImage, ArtifactType: typeConfig, Blobs: []Descriptor{config}},
		},
		{
			"artifact with the empty config, which is a layer too", MediaTypeOCIImage,
			`{"schemaVersion":2,"artifactType":"application/x","config":` + emptyText + `,"layers":[` + emptyText + `]}`,
			Manifest{MediaType: MediaTypeOCIImage, ArtifactType: "application/x", Blobs: []Descriptor{empty}},
		},
		{
			"each digest once, foreign layers apart", MediaTypeOCIImage,
			`{"schemaVersion":2,"config":` + configText + `,"layers":[` + strings.Join([]string{
				layer1Text, nondistributableText, layer1Text, nondistributableText, elsewhereText, dockerForeignText,
				text(nondistributable.MediaType, "one"),
			}, ",") + `]}`,
			Manifest{
				MediaType: MediaTypeOCIImage, ArtifactType: typeConfig,
				Blobs: []Descriptor{config, layer1}, Foreign: []Descriptor{nondistributable, elsewhere, dockerForeign},
			},
		},
		{
			"OCI index, one child twice", MediaTypeOCIIndex,
			`{"schemaVersion":2,"mediaType":"` + MediaTypeOCIIndex + `","manifests":[` + childText + `,` + childText + `],"subject":` + subjectText + `}`,
			Manifest{MediaType: MediaTypeOCIIndex, Subject: &subject, Manifests: []Descriptor{child, child}},
		},
		{
			"OCI index of blobs", MediaTypeOCIIndex,
			`{"schemaVersion":2,"artifactType":"application/x","manifests":[` + layer1Text + `]}`,
			Manifest{MediaType: MediaTypeOCIIndex, ArtifactType: "application/x", Manifests: []Descriptor{layer1}},
		},
		{
			"empty index", MediaTypeOCIIndex, `{"schemaVersion":2,"manifests":[]}`,
			Manifest{MediaType: MediaTypeOCIIndex},
		},
		{
			"Docker manifest", MediaTypeDocker,
			`{"schemaVersion":2,"mediaType":"` + MediaTypeDocker + `","config":` + configText + `,"layers":[` + dockerForeignText + `]}`,
			Manifest{MediaType: MediaTypeDocker, ArtifactType: typeConfig, Blobs: []Descriptor{config}, Foreign: []Descriptor{dockerForeign}},
		},
		{
			"Docker list, without a Content-Type", "",
			`{"schemaVersion":2,"mediaType":"` + MediaTypeDockerList + `","manifests":[` + childText + `]}`,
			Manifest{MediaType: MediaTypeDockerList, Manifests: []Descriptor{child}},
		},
		{
			"as application/json", "application/json; charset=utf-8", `{"schemaVersion":2,"mediaType":"` + MediaTypeOCIIndex + `","manifests":null}`,
			Manifest{MediaType: MediaTypeOCIIndex},
		},
		{
			"OCI artifact", MediaTypeOCIArtifact,
			`{"mediaType":"` + MediaTypeOCIArtifact + `","artifactType":"application/x","blobs":[` + layer1Text + `],"subject":` + subjectText + `}`,
			Manifest{MediaType: MediaTypeOCIArtifact, ArtifactType: "application/x", Subject: &subject, Blobs: []Descriptor{layer1}},
		},
		{
			"generic, with everything", "application/vnd.example.Thing+json",
			`{"artifactType":"application/x","config":` + configText + `,"layers":[` + layer1Text + `],"blobs":[` + layer2Text + `],"manifests":[` +
				childText + `],"subject":` + subjectText + `,"annotations":{}}`,
			Manifest{
				MediaType: "application/vnd.example.Thing+json", ArtifactType: "application/x", Annotations: map[string]string{}, Subject: &subject,
				Blobs: []Descriptor{config, layer1, layer2}, Manifests: []Descriptor{child},
			},
		},
		{
			"generic, with other shapes", "application/vnd.example.thing+json",
			`{"schemaVersion":"7","config":{"a":1},"layers":["a"],"blobs":{"a":[]},"manifests":[],"subject":"of a mail"}`,
			Manifest{MediaType: "application/vnd.example.thing+json"},
		},
		{"generic, empty", "application/x", `{}`, Manifest{MediaType: "application/x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tc.mediaType, []byte(tc.content))
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Payload = []byte(tc.content)
			if !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tc.want)
			}
		})
	}
}

func TestDetectMediaType(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"mediaType":"application/x","manifests":[]}`:     "application/x",
		`{"schemaVersion":2,"manifests":[]}`:               MediaTypeOCIIndex,
		`{"schemaVersion":2,"config":{},"layers":[]}`:      MediaTypeOCIImage,
		`{"schemaVersion":1,"fsLayers":[]}`:                MediaTypeSchema1,
		`{"schemaVersion":1,"fsLayers":[],"signatures":1}`: MediaTypeSchema1Signed,
		`{"config":{},"layers":[],"manifests":[]}`:         "",
		`{"mediaType":"text/html","fsLayers":[]}`:          MediaTypeSchema1,
		`{"mediaType":"text/html","manifests":[]}`:         MediaTypeOCIIndex,
		`{"mediaType":"application/x;y=z"}`:                "",
		`{"config":{}}`:                                    "",
		`{"mediaType":1,"manifests":[]}`:                   "",
		`{"Manifests":[]}`:                                 "",
		`{}`:                                               "",
		`[]`:                                               "",
		``:                                                 "",
	} {
		if got := DetectMediaType([]byte(content)); got != want {
			t.Errorf("DetectMediaType(%s) = %q, want %q", content, got, want)
		}
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for mediaType, want := range map[string]bool{
		MediaTypeOCIImage: true, MediaTypeOCIIndex: true, MediaTypeOCIArtifact: true, MediaTypeDocker: true, MediaTypeDockerList: true,
		MediaTypeSchema1: true, MediaTypeSchema1Signed: true, typeConfig: false, typeLayer: false, "": false,
	} {
		if Known(mediaType) != want {
			t.Errorf("Known(%q) is not %v", mediaType, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	content := []byte(manyLayers(MaxDescriptors - 1))
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(MediaTypeOCIImage, content); err != nil {
			b.Fatal(err)
		}
	}
}

// manyLayers gives an image of n different layers.
func manyLayers(n int) string {
	var s strings.Builder
	s.WriteString(`{"schemaVersion":2,"config":` + text(typeConfig, "config") + `,"layers":[`)
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(text(typeLayer, fmt.Sprint(i)))
	}
	s.WriteString(`]}`)
	return s.String()
}
