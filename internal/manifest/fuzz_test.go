package manifest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

func FuzzVerify(f *testing.F) {
	for name := range payloads {
		for _, key := range append(keyNames, "all") {
			f.Add(goldenFile(f, name+"."+key+".jws"))
		}
		f.Add([]byte(payloads[name]))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		const limit = 8
		before := bytes.Clone(content)
		payload, signatures, err := Verify(content, limit)
		m, parseErr := Rules{Schema1: true, TarSums: true, Signers: limit}.Parse(MediaTypeSchema1, content)
		if !bytes.Equal(before, content) {
			t.Fatal("Verify changed its input")
		}
		if err != nil {
			if len(Problems(err)) == 0 || parseErr == nil {
				t.Fatalf("Verify gives %v, Parse %+v", err, m)
			}
			return
		}
		if parseErr == nil {
			if !bytes.Equal(m.Payload, payload) || len(m.Schema1.Signatures) != len(signatures) {
				t.Fatalf("Parse gives %+v", m)
			}
			if _, err := ParseStored(m.MediaType, payload); err != nil {
				t.Fatalf("the payload was accepted and cannot be read: %v", err)
			}
		}
		checkVerified(t, content, payload, signatures)
	})
}

// checkVerified holds what Verify accepted against libtrust, and puts it together again.
func checkVerified(t *testing.T, content, payload []byte, signatures []Signature) {
	t.Helper()
	v := vectorOf(t, content)
	if v.Payload != digest.FromBytes(payload) || len(v.Keys) != len(signatures) {
		t.Fatalf("libtrust reads %+v, Verify %s", v, payload)
	}
	again, err := Assemble(payload, signatures)
	if err != nil {
		t.Fatalf("verified, but cannot be served: %v", err)
	}
	same, found, err := Verify(again, len(signatures))
	if err != nil || !bytes.Equal(same, payload) || len(found) != len(signatures) {
		t.Fatalf("what is served does not verify: %v", err)
	}
	digests := map[digest.Digest]bool{}
	for _, s := range signatures {
		digests[s.Digest] = true
	}
	for _, s := range found {
		if !digests[s.Digest] {
			t.Fatalf("the signature %s is another one now", s.JSON)
		}
	}
}

func FuzzAssemble(f *testing.F) {
	for name, payload := range payloads {
		for _, key := range keyNames {
			_, signatures, err := Verify(goldenFile(f, name+"."+key+".jws"), 1)
			if err != nil {
				f.Fatal(err)
			}
			f.Add([]byte(payload), signatures[0].JSON, true)
			f.Add([]byte(payload), signatures[0].JSON, false)
		}
	}
	f.Add([]byte(`{"a":1}`), []byte(`{}`), true)
	f.Fuzz(func(t *testing.T, payload, block []byte, sign bool) {
		signatures := []Signature{{JSON: block}}
		if sign { // anew, which says that the payload can be signed
			content, err := Sign(payload, fuzzKey)
			if err != nil {
				return
			}
			if payload, signatures, err = Verify(content, DefaultSigners); err != nil {
				t.Fatalf("what was signed does not verify: %v", err)
			}
		}
		content, err := Assemble(payload, signatures)
		if err != nil {
			if sign || len(Problems(err)) == 0 {
				t.Fatal(err)
			}
			return
		}
		got, found, err := Verify(content, DefaultSigners)
		if err != nil || !bytes.Equal(got, payload) || len(found) != len(signatures) {
			t.Fatalf("what was assembled reads as %s, %v", got, err)
		}
		checkVerified(t, content, got, found)
	})
}

var fuzzKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
