package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
)

func FuzzParse(f *testing.F) {
	config, layer, child := text(typeConfig, "config"), text(typeLayer, "layer"), text(MediaTypeOCIImage, "child")
	for _, mediaType := range []string{
		MediaTypeOCIImage, MediaTypeOCIIndex, MediaTypeOCIArtifact, MediaTypeDocker, MediaTypeDockerList, MediaTypeSchema1, "application/x", "",
	} {
		for _, content := range []string{
			`{"schemaVersion":2,"mediaType":"` + mediaType + `","config":` + config + `,"layers":[` + layer + `],"subject":` + child + `}`,
			`{"schemaVersion":2,"mediaType":"` + mediaType + `","manifests":[` + child + `],"annotations":{"a":"b"}}`,
			`{"mediaType":"` + mediaType + `","blobs":[` + text("application/vnd.oci.empty.v1+json", "{}", `"data":"e30="`) + `]}`,
			`{"Config":null,"\u0063onfig":{"digest":"sha256:0"}}`,
		} {
			f.Add(mediaType, []byte(content))
		}
	}
	f.Fuzz(func(t *testing.T, mediaType string, content []byte) {
		DetectMediaType(content)
		before := bytes.Clone(content)
		m, err := Parse(mediaType, content)
		if !bytes.Equal(before, content) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			var invalid *Error
			if !errors.As(err, &invalid) || invalid.Reason == "" {
				t.Fatalf("error %v is of type %T", err, err)
			}
			return
		}
		checkAccepted(t, m, content)
	})
}

// checkAccepted holds what Parse made of content against what any other reader of it may see.
func checkAccepted(t *testing.T, m *Manifest, content []byte) {
	t.Helper()
	if !json.Valid(content) || m.MediaType == "" {
		t.Fatalf("accepted %q as %q", content, m.MediaType)
	}
	all := slices.Concat(m.Blobs, m.Foreign, m.Manifests)
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	for _, d := range all {
		if d.Digest.Validate() != nil || d.Size < 0 || d.MediaType == "" {
			t.Fatalf("accepted the descriptor %+v", d)
		}
	}
	seen := map[digest.Digest]bool{}
	for _, d := range slices.Concat(m.Blobs, m.Foreign) {
		if seen[d.Digest] {
			t.Fatalf("%s stands in it twice", d.Digest)
		}
		seen[d.Digest] = true
	}
	if !Known(m.MediaType) {
		return
	}
	// encoding/json by itself ignores case and takes the last of two: it must see the same.
	var plain struct {
		MediaType string        `json:"mediaType"`
		Config    *Descriptor   `json:"config"`
		Layers    []Descriptor  `json:"layers"`
		Blobs     []Descriptor  `json:"blobs"`
		Manifests []*Descriptor `json:"manifests"`
		Subject   *Descriptor   `json:"subject"`
	}
	if err := json.Unmarshal(content, &plain); err != nil {
		return // something that is not read for this kind
	}
	if plain.MediaType != "" && plain.MediaType != m.MediaType {
		t.Fatalf("%s says that it is %s", m.MediaType, plain.MediaType)
	}
	if (plain.Subject == nil) != (m.Subject == nil) || len(plain.Manifests) != len(m.Manifests) {
		t.Fatalf("accepted %s as %+v", content, m)
	}
	if plain.Config != nil && !seen[plain.Config.Digest] {
		t.Fatalf("the config is missing in %+v", m)
	}
	for _, d := range plain.Layers {
		if !seen[d.Digest] {
			t.Fatalf("a layer is missing in %+v", m)
		}
	}
}
