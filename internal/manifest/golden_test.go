package manifest

import (
	"bytes"
	"crypto"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/libtrust"
	"github.com/opencontainers/go-digest"
)

var update = flag.Bool("update", false, "have libtrust sign the golden files anew, with the keys that are there")

// The golden files in testdata/schema1 are libtrust's own work: <payload>.<key>.jws is signed by one key, <payload>.all.jws is all of them merged, and
// vectors.json says what libtrust reads from them. The keys are for these tests and worth nothing. skopeo.jws came out of skopeo copy --format v2s1.
const golden = "testdata/schema1"

var keyNames = []string{"es256", "es384", "es512", "rs256", "rs256-4096"}

// payloads are of the shapes that clients write: Docker indents by three spaces, libtrust's tests do not indent at all, and editors leave a line break.
var payloads = map[string]string{
	"docker":  schema1Text,
	"compact": compact(schema1Text),
	"tabs":    strings.ReplaceAll(schema1Text, "   ", "\t") + "\r\n\n",
	"escaped": strings.Replace(compact(schema1Text), `"history":[`, `"note":"<\u00e4> , \"}\" {\"signatures\": ","history" : [`, 1),
}

const (
	layerOne = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
	layerTwo = "sha256:f8a1c8d6b3a1e3b8a1a0d7b3e1e0c8a0b7d5b6f9c0e1d2a3b4c5d6e7f8091a2b"
)

const schema1Text = `{
   "schemaVersion": 1,
   "name": "library/hello",
   "tag": "latest",
   "architecture": "amd64",
   "fsLayers": [
      {
         "blobSum": "` + layerOne + `"
      },
      {
         "blobSum": "` + layerTwo + `"
      },
      {
         "blobSum": "` + layerOne + `"
      }
   ],
   "history": [
      {
         "v1Compatibility": "{\"id\":\"c\",\"parent\":\"b\",\"os\":\"linux\"}"
      },
      {
         "v1Compatibility": "{\"id\":\"b\",\"parent\":\"a\"}\n"
      },
      {
         "v1Compatibility": "{\"id\":\"a\"}"
      }
   ]
}`

// vector is what libtrust reads from a signed document.
type vector struct {
	Payload    digest.Digest   // of the payload
	Keys       []string        // in the order of the document
	Signatures []digest.Digest // of the blocks, in the order of the document
}

func compact(text string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		panic(err)
	}
	return b.String()
}

func goldenFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeGolden(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(golden, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func goldenKey(t testing.TB, name string) libtrust.PrivateKey {
	t.Helper()
	k, err := libtrust.UnmarshalPrivateKeyJWK(goldenFile(t, "key-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func privateKey(t testing.TB, name string) crypto.PrivateKey {
	return goldenKey(t, name).CryptoPrivateKey()
}

// byLibtrust signs with libtrust alone.
func byLibtrust(t testing.TB, payload string, keys ...libtrust.PrivateKey) *libtrust.JSONSignature {
	t.Helper()
	js, err := libtrust.NewJSONSignature([]byte(payload))
	for _, k := range keys {
		if err == nil {
			err = js.Sign(k)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func pretty(t testing.TB, js *libtrust.JSONSignature) []byte {
	t.Helper()
	content, err := js.PrettySignature(signatureKey)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func vectorOf(t testing.TB, content []byte) vector {
	t.Helper()
	js, err := libtrust.ParsePrettySignature(content, signatureKey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := js.Verify()
	if err != nil {
		t.Fatal(err)
	}
	payload, err := js.Payload()
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := js.Signatures()
	if err != nil {
		t.Fatal(err)
	}
	v := vector{Payload: digest.FromBytes(payload)}
	for i, k := range keys {
		v.Keys = append(v.Keys, k.KeyID())
		v.Signatures = append(v.Signatures, digest.FromBytes(blocks[i]))
	}
	return v
}

// TestGoldenUpdate makes the golden files with -update. Without, it holds libtrust itself against what they say.
func TestGoldenUpdate(t *testing.T) {
	vectors := map[string]vector{}
	for name, payload := range payloads {
		var all *libtrust.JSONSignature
		for _, key := range keyNames {
			if *update {
				js := byLibtrust(t, payload, goldenKey(t, key))
				writeGolden(t, name+"."+key+".jws", pretty(t, js))
				if all == nil {
					all = js
				} else if err := all.Merge(js); err != nil {
					t.Fatal(err)
				}
			}
			vectors[name+"."+key] = vectorOf(t, goldenFile(t, name+"."+key+".jws"))
		}
		if *update {
			writeGolden(t, name+".all.jws", pretty(t, all))
		}
		vectors[name+".all"] = vectorOf(t, goldenFile(t, name+".all.jws"))
	}
	vectors["skopeo"] = vectorOf(t, goldenFile(t, "skopeo.jws"))
	content, err := json.MarshalIndent(vectors, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeGolden(t, "vectors.json", append(content, '\n'))
	}
	if !bytes.Equal(goldenFile(t, "vectors.json"), append(content, '\n')) {
		t.Errorf("libtrust reads %s", content)
	}
}

func TestVerifyGolden(t *testing.T) {
	t.Parallel()
	var vectors map[string]vector
	if err := json.Unmarshal(goldenFile(t, "vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != len(payloads)*(len(keyNames)+1)+1 {
		t.Fatalf("there are %d vectors", len(vectors))
	}
	for name, want := range vectors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := goldenFile(t, name+".jws")
			payload, signatures, err := Verify(content, len(want.Keys))
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := payloads[strings.Split(name, ".")[0]]; ok && string(payload) != text {
				t.Errorf("the payload is %s", payload)
			}
			got := vector{Payload: digest.FromBytes(payload)}
			for _, s := range signatures {
				got.Keys = append(got.Keys, s.KeyID)
				got.Signatures = append(got.Signatures, s.Digest)
				if digest.FromBytes(s.JSON) != s.Digest {
					t.Errorf("the signature has the digest %s: %s", s.Digest, s.JSON)
				}
			}
			if got.Payload != want.Payload || !slices.Equal(got.Keys, want.Keys) || !slices.Equal(got.Signatures, want.Signatures) {
				t.Errorf("Verify reads %+v, libtrust %+v", got, want)
			}
			slices.Reverse(signatures)
			again, err := Assemble(payload, append(signatures, signatures[0]))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, content) {
				t.Errorf("Assemble gives %s", again)
			}
		})
	}
}

// TestMergeGolden puts together what single hosts signed, and compares with what libtrust merges.
func TestMergeGolden(t *testing.T) {
	t.Parallel()
	for name, text := range payloads {
		var all []Signature
		for _, key := range keyNames {
			_, signatures, err := Verify(goldenFile(t, name+"."+key+".jws"), 1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Signature{JSON: signatures[0].JSON}) // as a store keeps it
		}
		got, err := Assemble([]byte(text), all)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, goldenFile(t, name+".all.jws")) {
			t.Errorf("%s: Assemble gives %s", name, got)
		}
	}
}
