package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

const repository = "library/app"

var (
	config = Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: d("config"), Size: 6}
	layer  = Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d("layer"), Size: 5, Annotations: map[string]string{"org.example": "a < b"}}
)

// samples are an event of each sort, by the names of their golden files.
var samples = map[string]Event{
	"push-image": origin().ManifestPushed(Target{
		Repository: repository, Tag: "1.0", MediaType: v1.MediaTypeImageManifest, Digest: d("image"), Size: 512, References: []Descriptor{config, layer},
	}),
	"push-by-digest": origin().ManifestPushed(Target{Repository: repository, MediaType: v1.MediaTypeImageManifest, Digest: d("image"), Size: 512}),
	"push-index": origin().ManifestPushed(Target{
		Repository: repository, Tag: "latest", MediaType: v1.MediaTypeImageIndex, Digest: d("index"), Size: 700, References: []Descriptor{
			{MediaType: v1.MediaTypeImageManifest, Digest: d("image"), Size: 512, Platform: &v1.Platform{Architecture: "amd64", OS: "linux"}},
			{MediaType: v1.MediaTypeImageManifest, Digest: d("arm"), Size: 513, Platform: &v1.Platform{Architecture: "arm64", OS: "linux", Variant: "v8"}},
		},
	}),
	"push-artifact": origin().ManifestPushed(Target{
		Repository: repository, MediaType: v1.MediaTypeImageManifest, Digest: d("signature"), Size: 400, ArtifactType: "application/vnd.example.signature",
		Subject:    &Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d("image"), Size: 512},
		References: []Descriptor{v1.DescriptorEmptyJSON, {MediaType: "application/vnd.example.signature", Digest: d("bytes"), Size: 5, ArtifactType: "text/x"}},
	}),
	"push-blob":       origin().BlobPushed(repository, layer.Digest, layer.Size),
	"pull-manifest":   origin().ManifestPulled(Target{Repository: repository, Tag: "1.0", MediaType: v1.MediaTypeImageManifest, Digest: d("image"), Size: 512}),
	"pull-blob":       origin().BlobPulled(repository, layer.Digest, layer.Size),
	"mount-blob":      origin().BlobMounted(repository, "library/base", layer.Digest, layer.Size),
	"delete-tag":      origin().TagDeleted(repository, "1.0"),
	"delete-manifest": origin().ManifestDeleted(repository, d("image")),
	"delete-blob":     origin().BlobDeleted(repository, layer.Digest),
}

// TestWireGolden holds the wire form of each sort of event in each format.
func TestWireGolden(t *testing.T) {
	t.Parallel()
	mediaTypes := map[Format]string{
		DistributionV1: "application/vnd.docker.distribution.events.v1+json",
		DistributionV2: "application/vnd.docker.distribution.events.v2+json",
		CloudEvents:    "application/cloudevents+json; charset=utf-8",
	}
	for name, event := range samples {
		for format, mediaType := range mediaTypes {
			t.Run(name+"."+string(format), func(t *testing.T) {
				t.Parallel()
				m, err := format.encode([]Event{fixed(event)}, false)
				if err != nil || m.mediaType != mediaType {
					t.Fatalf("media type %s, %v; want %s", m.mediaType, err, mediaType)
				}
				golden := filepath.Join("testdata", name+"."+string(format)+".json")
				got := indent(t, m.body)
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("the wire form differs from %s (run go test -update if that is meant):\n%s", golden, got)
				}
			})
		}
	}
}

// indent sets JSON in lines, as CNCF Distribution sends it. It changes nothing but the space between.
func indent(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "   "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// TestKeptFormIsWhole: what is written down of an event and read again is the same event on the wire.
func TestKeptFormIsWhole(t *testing.T) {
	t.Parallel()
	for name, event := range samples {
		kept, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		var again Event
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatal(err)
		}
		for _, format := range []Format{DistributionV1, DistributionV2, CloudEvents} {
			want, err := format.encode([]Event{event}, false)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := format.encode([]Event{again}, false); err != nil || !bytes.Equal(got.body, want.body) {
				t.Errorf("%s as %s: %s, %v; want %s", name, format, got.body, err, want.body)
			}
		}
	}
}

func TestEventsAreNamedAndDated(t *testing.T) {
	t.Parallel()
	before := time.Now()
	one, two := origin().TagDeleted(repository, "1.0"), origin().TagDeleted(repository, "1.0")
	if len(one.ID) != 26 || one.ID >= two.ID {
		t.Errorf("ids %s, %s: want ULIDs, one after the other", one.ID, two.ID)
	}
	if one.Time.Before(before.Round(0)) || one.Time.After(time.Now().Round(0)) || one.Time.Location() != time.UTC {
		t.Errorf("the event is of %s, between %s and now; want it in UTC", one.Time, before)
	}
}

// TestBatches: how many events stand in one message, and in what.
func TestBatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format    Format
		events    int
		batch     bool
		mediaType string
		opens     string // what the body begins with, as far as it matters; empty for an error
	}{
		{DistributionV2, 1, false, MediaTypeV2, `{"events":[{`},
		{DistributionV2, 3, true, MediaTypeV2, `{"events":[{`},
		{DistributionV1, 3, true, MediaTypeV1, `{"events":[{`},
		{CloudEvents, 1, false, MediaTypeCloudEvents, `{"specversion":"1.0"`},
		{CloudEvents, 1, true, MediaTypeCloudEventsBatch, `[{"specversion":"1.0"`},
		{CloudEvents, 3, true, MediaTypeCloudEventsBatch, `[{"specversion":"1.0"`},
		{CloudEvents, 3, false, "", ""},
		{"distribution-v3", 1, false, "", ""},
	} {
		m, err := c.format.encode(slices.Repeat([]Event{someEvent()}, c.events), c.batch)
		if (err != nil) != (c.opens == "") || m.mediaType != c.mediaType || !strings.HasPrefix(string(m.body), c.opens) {
			t.Errorf("%d events as %s, batch %v: %s %.40s, %v; want %s %s", c.events, c.format, c.batch, m.mediaType, m.body, err, c.mediaType, c.opens)
		}
		if got := strings.Count(string(m.body), `"target":`); c.opens != "" && got != c.events {
			t.Errorf("%d events as %s, batch %v: there are %d in the message", c.events, c.format, c.batch, got)
		}
	}
}

// TestRegistryWithoutName: without a name of its own, the registry is still called something.
func TestRegistryWithoutName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origin Origin
		source string
	}{
		{Origin{Request: Request{Host: "r.example:5000"}}, "//r.example:5000"},
		{Origin{Request: Request{Host: "[2001:db8::1]:5000"}}, "//[2001:db8::1]:5000"},
		{Origin{Request: Request{Host: "a b\"<"}, Source: Source{Addr: "node-1"}}, "//node-1"},
		{Origin{Source: Source{Addr: "node-1:5000"}}, "//node-1:5000"},
		{Origin{}, "/v2/"},
	} {
		e := c.origin.BlobPulled(repository, layer.Digest, 1)
		if got := e.sourceURI(); got != c.source {
			t.Errorf("source %s, want %s", got, c.source)
		}
		if want := "/v2/library/app/blobs/" + string(layer.Digest); e.url() != want {
			t.Errorf("url %s, want %s", e.url(), want)
		}
	}
}
