package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	config := text(typeConfig, "config")
	layer := text(typeLayer, "layer")
	image := func(more string) string { return `{"schemaVersion":2,"config":` + config + more + `}` }
	layers := func(list string) string { return image(`,"layers":[` + list + `]`) }
	hash := digest.FromString("layer").String()

	for _, tc := range []struct{ name, mediaType, content, reason string }{
		{"empty", MediaTypeOCIImage, ``, "the manifest is empty"},
		{"blank", MediaTypeOCIImage, " \n", "the manifest is empty"},
		{"no JSON", MediaTypeOCIImage, `hello`, "not valid JSON"},
		{"cut off", MediaTypeOCIImage, image("")[:40], "not valid JSON"},
		{"byte order mark", MediaTypeOCIImage, "\ufeff" + image(""), "not valid JSON"},
		{"trailing comma", MediaTypeOCIImage, image(","), "not valid JSON"},
		{"trailing object", MediaTypeOCIImage, image("") + "{}", "behind the manifest's closing brace"},
		{"trailing brace", MediaTypeOCIImage, image("") + "}", "behind the manifest's closing brace"},
		{"trailing NUL", MediaTypeOCIImage, image("") + "\x00", "behind the manifest's closing brace"},
		{"not UTF-8", MediaTypeOCIImage, image(",\"a\":\"\xff\""), "UTF-8"},
		{"list", MediaTypeOCIImage, `[]`, "the manifest is not a JSON object"},
		{"null", "application/x", `null`, "the manifest is not a JSON object"},
		{"string", "application/x", `"{}"`, "the manifest is not a JSON object"},
		{"too deep", "application/x", `{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, "nested too deeply"},
		{"too deep and cut off", "application/x", strings.Repeat(`{"a":`, 1<<20), "nested too deeply"},

		{"duplicate key", MediaTypeOCIImage, image(`,"config":` + config), `two members "config"`},
		{"duplicate key, escaped", MediaTypeOCIImage, image(`,"\u0063onfig":` + config), `two members "config"`},
		{"other case", MediaTypeOCIImage, image(`,"Layers":[]`), `a member "Layers", which some would read as "layers"`},
		{"other case of another kind", MediaTypeOCIImage, image(`,"MANIFESTS":[]`), `"MANIFESTS"`},
		{"long s", MediaTypeOCIImage, image(`,"layerſ":[]`), `some would read as "layers"`},
		{"other case in a generic one", "application/x", `{"Config":{}}`, `"Config"`},
		{"duplicate key in a descriptor", MediaTypeOCIImage, layers(`{"digest":"` + hash + `",` + layer[1:]), `layers[0] has two members "digest"`},
		{"other case in a descriptor", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"Size":7`)), `layers[0] has a member "Size"`},
		{"duplicate key in a subject", MediaTypeOCIImage, image(`,"subject":` + text(typeLayer, "a", `"size":9`)), `subject has two members`},

		{"image with manifests", MediaTypeOCIImage, image(`,"manifests":[]`), `"manifests" does not belong`},
		{"image with null manifests", MediaTypeOCIImage, image(`,"manifests":null`), `"manifests" does not belong`},
		{"image with schema 1 layers", MediaTypeOCIImage, image(`,"fsLayers":[]`), `"fsLayers" does not belong`},
		{"index with layers", MediaTypeOCIIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`, `"layers" does not belong`},
		{"index with config", MediaTypeOCIIndex, `{"schemaVersion":2,"manifests":[],"config":{}}`, `"config" does not belong`},
		{
			"list with layers", MediaTypeDockerList,
			`{"schemaVersion":2,"mediaType":"` + MediaTypeDockerList + `","manifests":[],"layers":[]}`, `"layers" does not belong`,
		},
		{
			"Docker manifest with manifests", MediaTypeDocker,
			image(`,"mediaType":"` + MediaTypeDocker + `","manifests":[]`), `"manifests" does not belong`,
		},
		{
			"artifact with layers", MediaTypeOCIArtifact,
			`{"mediaType":"` + MediaTypeOCIArtifact + `","layers":[]}`, `"layers" does not belong`,
		},

		{"other mediaType", MediaTypeOCIImage, image(`,"mediaType":"` + MediaTypeOCIIndex + `"`), "make them the same"},
		{"other mediaType, generic", "application/x", `{"mediaType":"application/y"}`, "make them the same"},
		{"mediaType in other case", MediaTypeOCIImage, image(`,"mediaType":"Application` + MediaTypeOCIImage[11:] + `"`), "make them the same"},
		{"mediaType with parameters", MediaTypeOCIImage, image(`,"mediaType":"` + MediaTypeOCIImage + `;a=b"`), "make them the same"},
		{"mediaType not a string", MediaTypeOCIImage, image(`,"mediaType":2`), `"mediaType" is not a string`},
		{"Docker without mediaType", MediaTypeDocker, image(""), "no mediaType"},
		{"list without mediaType", MediaTypeDockerList, `{"schemaVersion":2,"manifests":[]}`, "no mediaType"},
		{"artifact without mediaType", MediaTypeOCIArtifact, `{}`, "no mediaType"},
		{"no type at all", "", layers(layer), "media type is unknown"},
		{"no type but application/json", "application/json", layers(layer), "media type is unknown"},
		{"text/html", "text/html", `{}`, "not a media type for a manifest"},
		{"text/html in the body", "", `{"mediaType":"text/html"}`, "not a media type for a manifest"},
		{"header injection", "", `{"mediaType":"application/x\r\nA: b"}`, "not a media type for a manifest"},
		{"no subtype", "application/", `{}`, "not a media type for a manifest"},
		{"wildcard", "*/*", `{}`, "not a media type for a manifest"},
		{"long media type", "application/" + strings.Repeat("x", 128), `{}`, "not a media type for a manifest"},
		{"schema 1", MediaTypeSchema1, `{}`, "schema 1 is not accepted"},
		{"signed schema 1", MediaTypeSchema1Signed, `{}`, "schema 1 is not accepted"},
		{"schema 1 without a type", "", `{"schemaVersion":1}`, "schema 1 is not accepted"},

		{"schemaVersion 1", MediaTypeOCIImage, `{"schemaVersion":1,"config":` + config + `}`, "schemaVersion"},
		{"schemaVersion missing", MediaTypeOCIIndex, `{"manifests":[]}`, "schemaVersion"},
		{"schemaVersion a string", MediaTypeOCIIndex, `{"schemaVersion":"2","manifests":[]}`, "schemaVersion"},
		{"schemaVersion 2.0", MediaTypeOCIIndex, `{"schemaVersion":2.0,"manifests":[]}`, "schemaVersion"},
		{"no config", MediaTypeOCIImage, `{"schemaVersion":2,"layers":[]}`, `no "config"`},
		{"null config", MediaTypeOCIImage, `{"schemaVersion":2,"config":null,"layers":[]}`, "config is null"},
		{"no manifests", MediaTypeOCIIndex, `{"schemaVersion":2}`, `no "manifests"`},

		{"artifactType not a string", MediaTypeOCIImage, image(`,"artifactType":{}`), `"artifactType" is not a string`},
		{"annotations not an object", MediaTypeOCIImage, image(`,"annotations":[]`), `"annotations" is not an object`},
		{"annotation not a string", MediaTypeOCIImage, image(`,"annotations":{"a":1}`), `"annotations" is not an object`},
		{"annotation null", MediaTypeOCIImage, image(`,"annotations":{"a":null}`), `"annotations" holds a null`},
		{"layers not a list", MediaTypeOCIImage, image(`,"layers":{}`), `"layers" is not a list`},
		{"layer not an object", MediaTypeOCIImage, layers(`"a"`), `layers[0] is not a JSON object`},
		{"layer null", MediaTypeOCIImage, layers(layer + `,null`), `layers[1] is not a JSON object`},
		{"config a list", MediaTypeOCIImage, `{"schemaVersion":2,"config":[]}`, `config is not a JSON object`},
		{"subject a string", MediaTypeOCIImage, image(`,"subject":"` + hash + `"`), `subject is not a JSON object`},
		{"subject without a digest", MediaTypeOCIImage, image(`,"subject":{"mediaType":"a","size":1}`), `subject has no digest`},
		{"generic with one bad layer", "application/x", `{"layers":[{"a":1},` + layer + `]}`, `layers[0] has no mediaType`},
		{"generic with a bad subject", "application/x", `{"subject":{"digest":"a"}}`, `subject has no mediaType`},
		{"generic with a subject in other case", "application/x", `{"subject":{"Digest":"a"}}`, `subject has a member "Digest"`},

		{"no mediaType", MediaTypeOCIImage, layers(`{"digest":"` + hash + `","size":5}`), "layers[0] has no mediaType"},
		{"empty mediaType", MediaTypeOCIImage, layers(`{"mediaType":"","digest":"` + hash + `","size":5}`), "layers[0] has no mediaType"},
		{"no digest", MediaTypeOCIImage, layers(`{"mediaType":"a","size":5}`), "layers[0] has no digest"},
		{"digest a number", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":5,"size":5}`), "layers[0] has no digest"},
		{"bad digest", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"sha256:0","size":5}`), "layers[0] has a bad digest: malformed"},
		{
			"digest in upper case", MediaTypeOCIImage,
			layers(`{"mediaType":"a","digest":"sha256:` + strings.ToUpper(hash[7:]) + `","size":5}`), "layers[0] has a bad digest: malformed",
		},
		{"unsupported digest", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"md5:0","size":5}`), "layers[0] has a bad digest: unsupported"},
		{"no size", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `"}`), "layers[0] has no size"},
		{"null size", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `","size":null}`), "layers[0] has no size"},
		{"negative size", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `","size":-1}`), `layers[0] has the size "-1"`},
		{"size a string", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `","size":"5"}`), "layers[0] has the size"},
		{"size a fraction", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `","size":5.0}`), `layers[0] has the size "5.0"`},
		{"huge size", MediaTypeOCIImage, layers(`{"mediaType":"a","digest":"` + hash + `","size":9223372036854775808}`), "layers[0] has the size"},
		{"urls a string", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"urls":"a"`)), "layers[0] has urls"},
		{"bad platform", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"platform":{"os":1}`)), "layers[0] has a platform"},
		{"bad annotations", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"annotations":{"a":[]}`)), "layers[0] has annotations"},
		{"bad artifactType", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"artifactType":1`)), "layers[0] has an artifactType"},
		{"data not base64", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"data":"%"`)), "layers[0] has data that is not base64"},
		{"data of other content", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"data":"TGF5ZXI="`)), "not of its digest and size"},
		{"data of other size", MediaTypeOCIImage, layers(text(typeLayer, "layer", `"data":"bGF5ZXIK"`)), "not of its digest and size"},
		{"two sizes", MediaTypeOCIImage, layers(layer + `,` + strings.Replace(layer, `"size":5`, `"size":6`, 1)), "two sizes"},
		{"too many", MediaTypeOCIImage, manyLayers(MaxDescriptors), "more than 20000 descriptors"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, err := Parse(tc.mediaType, []byte(tc.content))
			if err == nil {
				t.Fatalf("accepted as %+v", m)
			}
			var invalid *Error
			if !errors.As(err, &invalid) || m != nil {
				t.Fatalf("Parse gives %v and an error of type %T", m, err)
			}
			if !strings.Contains(invalid.Reason, tc.reason) {
				t.Errorf("reason is %q, want one with %q", invalid.Reason, tc.reason)
			}
			if len(invalid.Reason) > 600 {
				t.Errorf("reason has %d bytes", len(invalid.Reason))
			}
		})
	}
}
