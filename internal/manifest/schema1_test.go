package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/registryd/registryd/internal/reference"
)

const tarSumLayer = "tarsum.v1+sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func schema1Layers(digests ...digest.Digest) (list []Descriptor) {
	for _, d := range digests {
		list = append(list, Descriptor{MediaType: mediaTypeSchema1Layer, Digest: d, Size: UnknownSize})
	}
	return list
}

func TestParseSchema1(t *testing.T) {
	t.Parallel()
	content := goldenFile(t, "docker.all.jws")
	want := Manifest{
		MediaType: MediaTypeSchema1Signed, Payload: []byte(schema1Text), Blobs: schema1Layers(layerOne, layerTwo),
		Schema1: &Schema1{Name: "library/hello", Tag: "latest", Architecture: "amd64"},
	}
	// CNCF Distribution 2 takes each of these.
	for _, mediaType := range []string{
		MediaTypeSchema1Signed, MediaTypeSchema1, "application/json", "", "application/json; charset=utf-8", strings.ToUpper(MediaTypeSchema1Signed),
	} {
		got, err := Rules{Schema1: true}.Parse(mediaType, content)
		if err != nil {
			t.Fatalf("as %q: %v", mediaType, err)
		}
		if len(got.Schema1.Signatures) != len(keyNames) {
			t.Errorf("as %q: there are %d signatures", mediaType, len(got.Schema1.Signatures))
		}
		got.Schema1.Signatures = nil
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("as %q: %+v", mediaType, got)
		}
		if m, err := Parse(mediaType, content); m != nil || err == nil || Problems(err)[0].Code != CodeInvalid {
			t.Errorf("as %q, by the zero Rules: %v, %v", mediaType, m, err)
		}
	}
	for _, mediaType := range []string{MediaTypeSchema1Signed, MediaTypeSchema1} {
		got, err := ParseStored(mediaType, []byte(schema1Text))
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("stored as %q: %+v, %v", mediaType, got, err)
		}
	}
}

func TestParseSchema1TarSums(t *testing.T) {
	t.Parallel()
	payload := strings.Replace(schema1Text, layerOne, tarSumLayer, 2)
	content := pretty(t, byLibtrust(t, payload, goldenKey(t, "es256")))
	m, err := Rules{Schema1: true, TarSums: true}.Parse("", content)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Blobs, schema1Layers(layerTwo)) || !reflect.DeepEqual(m.Schema1.TarSums, []reference.TarSum{tarSumLayer}) {
		t.Errorf("the layers are %v and %v", m.Blobs, m.Schema1.TarSums)
	}
	if _, err = (Rules{Schema1: true}).Parse("", content); err == nil || !strings.Contains(err.Error(), "fsLayers[0] has a bad blobSum") {
		t.Errorf("without TarSums: %v", err)
	}
	if m, err = ParseStored(MediaTypeSchema1Signed, []byte(payload)); err != nil || len(m.Schema1.TarSums) != 1 {
		t.Errorf("stored: %+v, %v", m, err)
	}
}

func TestParseStoredOtherKinds(t *testing.T) {
	t.Parallel()
	content := []byte(`{"schemaVersion":2,"manifests":[]}`)
	if m, err := ParseStored(MediaTypeOCIIndex, content); err != nil || !bytes.Equal(m.Payload, content) || m.Schema1 != nil {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := ParseStored(MediaTypeOCIImage, content); err == nil {
		t.Errorf("accepted as %+v", m)
	}
}

// TestParseSchema1Refuses signs what is wrong, so that nothing but that is reported.
func TestParseSchema1Refuses(t *testing.T) {
	t.Parallel()
	key := goldenKey(t, "es256")
	text := compact(schema1Text)
	change := func(old, by string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("there is no %s", old)
		}
		return strings.Replace(text, old, by, 1)
	}
	for _, tc := range []struct {
		name, payload string
		want          []Error // the reason is a part of it
	}{
		{"schemaVersion", change(`"schemaVersion":1`, `"schemaVersion":2`), []Error{{CodeInvalid, "schemaVersion is not 1"}}},
		{"no schemaVersion", change(`"schemaVersion":1,`, ``), []Error{{CodeInvalid, "schemaVersion is not 1"}}},
		{"layers of schema 2", change(`"tag"`, `"layers":[],"tag"`), []Error{{CodeInvalid, `"layers" does not belong`}}},
		{"manifests", change(`"tag"`, `"manifests":[],"tag"`), []Error{{CodeInvalid, `"manifests" does not belong`}}},
		{"name not a string", change(`"library/hello"`, `7`), []Error{{CodeName, `"name" is not a string`}}},
		{"tag not a string", change(`"latest"`, `{}`), []Error{{CodeTag, `"tag" is not a string`}}},
		{"architecture not a string", change(`"amd64"`, `[]`), []Error{{CodeInvalid, `"architecture" is not a string`}}},
		{"two names", change(`"name"`, `"name":"library/other","name"`), []Error{{CodeInvalid, `two members "name"`}}},
		{"name in other case", change(`"name"`, `"Name":"library/other","name"`), []Error{{CodeInvalid, `"Name", which some would read as "name"`}}},
		{"no fsLayers", change(`fsLayers`, `fileLayers`), []Error{{CodeInvalid, `no list "fsLayers"`}}},
		{"null fsLayers and no history", `{"schemaVersion":1,"fsLayers":null}`, []Error{{CodeInvalid, `no list "fsLayers"`}, {CodeInvalid, `no list "history"`}}},
		{"history too short", change(`,{"v1Compatibility":"{\"id\":\"a\"}"}`, ``), []Error{{CodeInvalid, "3 fsLayers but a history of 2"}}},
		{"history of numbers", change(`{"v1Compatibility":"{\"id\":\"a\"}"}`, `1`), []Error{{CodeInvalid, "history[2] is not a JSON object"}}},
		{"history without v1Compatibility", change(`{"v1Compatibility":"{\"id\":\"a\"}"}`, `{}`), []Error{{CodeInvalid, "history[2] has no v1Compatibility"}}},
		{
			"bad layers, all of them", strings.NewReplacer(layerOne, "sha256:0", layerTwo, "md5:0").Replace(text),
			[]Error{{CodeInvalid, "fsLayers[0] has a bad blobSum: malformed"}, {CodeInvalid, "fsLayers[1] has a bad blobSum: unsupported"}},
		},
		{"layer without blobSum", change(`{"blobSum":"`+layerOne+`"}`, `{}`), []Error{{CodeInvalid, "fsLayers[0] has no blobSum"}}},
		{"layer a string", change(`{"blobSum":"`+layerOne+`"}`, `"`+layerOne+`"`), []Error{{CodeInvalid, "fsLayers[0] is not a JSON object"}}},
		{"layer in other case", change(`blobSum`, `blobsum`), []Error{{CodeInvalid, `"blobsum", which some would read as "blobSum"`}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Rules{Schema1: true}.Parse(MediaTypeSchema1Signed, pretty(t, byLibtrust(t, tc.payload, key)))
			checkProblems(t, err, tc.want)
		})
	}
}

// TestProblemsTogether has a manifest with one problem of each sort, which are all reported at once.
func TestProblemsTogether(t *testing.T) {
	t.Parallel()
	text := strings.Replace(schema1Text, layerTwo, "sha256:0", 1)
	js := byLibtrust(t, text, goldenKey(t, "es256"), goldenKey(t, "es384"))
	content := bytes.Replace(pretty(t, js), []byte(`"amd64"`), []byte(`"arm64"`), 1)
	m, err := Rules{Schema1: true}.Parse(MediaTypeSchema1Signed, content)
	if m == nil || !reflect.DeepEqual(m.Blobs, schema1Layers(layerOne)) {
		t.Fatalf("what could be read is %+v", m)
	}
	checkProblems(t, errors.Join(fmt.Errorf("push: %w", err), CheckFor(m, "library/other", "v2")), []Error{
		{CodeUnverified, "signature 1: it does not verify"}, {CodeUnverified, "signature 2: it does not verify"},
		{CodeInvalid, "fsLayers[1] has a bad blobSum"},
		{CodeName, `the repository "library/hello", but it was pushed to "library/other"`},
		{CodeTag, `the tag "latest", but it was pushed as "v2"`},
	})
}

func TestProblemsAreLimited(t *testing.T) {
	t.Parallel()
	text := `{"schemaVersion":1,"fsLayers":[` + strings.Repeat("1,", 5000) + `1],"history":[]}`
	_, err := ParseStored(MediaTypeSchema1, []byte(text))
	if all := Problems(err); len(all) != maxProblems+1 || !strings.HasPrefix(all[maxProblems].Reason, "there are more") {
		t.Errorf("there are %d problems", len(all))
	}
}

func TestCheckFor(t *testing.T) {
	t.Parallel()
	m, err := ParseStored(MediaTypeSchema1, []byte(schema1Text))
	if err != nil {
		t.Fatal(err)
	}
	checkProblems(t, CheckFor(m, "library/hello", "latest"), nil)
	checkProblems(t, CheckFor(m, "library/hello", ""), nil)
	checkProblems(t, CheckFor(m, "library/hello", "Latest"), []Error{{CodeTag, "sign it anew"}})
	checkProblems(t, CheckFor(m, "hello", ""), []Error{{CodeName, "sign it anew"}})
	checkProblems(t, CheckFor(&Manifest{MediaType: MediaTypeOCIImage}, "a", "b"), nil)
	checkProblems(t, CheckFor(&Manifest{Schema1: &Schema1{}}, "a", "b"), []Error{{CodeName, `""`}, {CodeTag, `""`}})
}

func checkProblems(t *testing.T, err error, want []Error) {
	t.Helper()
	got := Problems(err)
	if len(got) != len(want) || (err == nil) != (len(want) == 0) {
		t.Fatalf("the error is %v, want %d problems", err, len(want))
	}
	for i, w := range want {
		if got[i].Code != w.Code || !strings.Contains(got[i].Reason, w.Reason) || len(got[i].Reason) > 600 {
			t.Errorf("problem %d is %d, %q, want %d, %q", i, got[i].Code, got[i].Reason, w.Code, w.Reason)
		}
	}
}
