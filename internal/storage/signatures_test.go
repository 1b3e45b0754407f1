package storage_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/docker/libtrust"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// TestOldSignatures: CNCF Distribution kept signatures as blobs, with a link below the revision, or not at all.
func TestOldSignatures(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../manifest/testdata/schema1/compact.all.jws")
	must(t, err)
	payload, signatures, err := manifest.Verify(document, manifest.DefaultSigners)
	must(t, err)
	d := digest.FromBytes(payload)
	for _, c := range []struct{ links, kept int }{{0, 0}, {1, 1}, {len(signatures), len(signatures)}, {len(signatures), 0}, {len(signatures), 1}} {
		kept := c.kept
		for _, imported := range []bool{false, true} {
			fake := drivertest.NewFake(t).AllowOverwrite()
			asDistribution(t, fake, payload, [][]byte{content(1, 10)}, "latest")
			put := func(key string, content []byte) {
				_, err := fake.Put(t.Context(), storage.DefaultRoot+"/"+key, bytes.NewReader(content), drivers.Cond{})
				must(t, err)
			}
			for i, s := range signatures[:c.links] {
				hex := s.Digest.Encoded()
				if i < kept {
					put("blobs/sha256/"+hex[:2]+"/"+hex+"/data", s.JSON)
				}
				put("repositories/"+string(repoName)+"/_manifests/revisions/sha256/"+d.Encoded()+"/signatures/sha256/"+hex+"/link", []byte(s.Digest))
			}
			registry := prepared(t, fake)
			if imported {
				_, err := registry.Import(t.Context(), storage.ImportOptions{})
				must(t, err)
			}
			for _, ref := range []reference.Reference{{Tag: "latest"}, {Digest: d}} {
				m, err := registry.Repository(repoName).Manifest(t.Context(), ref)
				must(t, err)
				stat, err := registry.Repository(repoName).StatManifest(t.Context(), ref)
				must(t, err)
				if m.Digest != d || m.Served.Digest != digest.FromBytes(m.Content) || m.Served != stat.Served || stat.MediaType != m.MediaType {
					t.Errorf("%d links, %d kept, %s: %v and by stat %v", c.links, kept, ref, m.Served, stat)
				}
				if kept == 0 {
					if !bytes.Equal(m.Content, payload) || m.MediaType != manifest.MediaTypeSchema1 {
						t.Errorf("without signatures, it is served as %s, %s", m.MediaType, m.Content)
					}
					continue
				}
				if _, all, err := manifest.Verify(m.Content, kept); err != nil || len(all) != kept || m.MediaType != manifest.MediaTypeSchema1Signed {
					t.Errorf("%d of %d signatures, %v, as %s", len(all), kept, err, m.MediaType)
				}
			}
			taking := storage.New(fake, storage.Options{Rules: manifest.Rules{Schema1: true}})
			must(t, taking.Prepare(t.Context()))
			in := storage.Push{MediaType: manifest.MediaTypeSchema1, Content: document, Digest: digest.FromString("another")}
			if _, err := taking.Repository(repoName).PutManifest(t.Context(), in); storage.CodeOf(err) != storage.DigestInvalid {
				t.Errorf("pushed under another digest: %v", err)
			}
			if c.links > kept {
				continue
			}
			// fsck misses the layers of the golden manifest, which are nowhere, and nothing else.
			if _, err := registry.Fsck(t.Context(), storage.FsckOptions{Deep: true, Finding: func(f storage.Finding) {
				if f.Severity == storage.Leftover || f.Severity == storage.Damage && !bytes.Contains([]byte(f.Message), []byte("is not in the repository")) {
					t.Error(f.Severity, f.Key, f.Message)
				}
			}}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestUnreadableSignatures: signatures that cannot be read do not take the others with them, and where none is left, the payload is served; a push mends
// what it brings, also when as many are there as are kept.
func TestUnreadableSignatures(t *testing.T) {
	t.Parallel()
	key, err := libtrust.GenerateECP256PrivateKey()
	must(t, err)
	layer := digest.FromBytes(content(1, 10))
	js, err := libtrust.NewJSONSignature([]byte(`{"schemaVersion":1,"name":"` + string(repoName) + `","tag":"v1","architecture":"amd64",` +
		`"fsLayers":[{"blobSum":"` + string(layer) + `"}],"history":[{"v1Compatibility":"{\"id\":\"a\"}"}]}`))
	must(t, err)
	for range 3 {
		must(t, js.Sign(key))
	}
	document, err := js.PrettySignature("signatures")
	must(t, err)
	payload, signatures, err := manifest.Verify(document, manifest.DefaultSigners)
	must(t, err)
	d := digest.FromBytes(payload)
	long := bytes.Repeat([]byte(" "), 65<<10)
	for _, c := range []struct {
		name    string
		mend    bool
		damaged map[int]any // what stands there instead: the content of a jws, or a link without its blob, or with a pointer that is none, or nothing
	}{
		{"empty", true, map[int]any{0: []byte{}}},
		{"all empty", true, map[int]any{0: []byte{}, 1: []byte{}, 2: []byte{}}},
		{"dangling", true, map[int]any{1: "dangling"}},
		{"all dangling", true, map[int]any{0: "dangling", 1: "dangling", 2: "dangling"}},
		{"one dangling, one absent", true, map[int]any{0: "dangling", 1: "absent"}},
		{"wrong pointer", true, map[int]any{2: "pointer"}},
		{"too long", false, map[int]any{0: long}},
		{"all too long", false, map[int]any{0: long, 1: long, 2: long}},
		{"all in different ways", false, map[int]any{0: long, 1: []byte("{}"), 2: "pointer"}},
	} {
		fake := drivertest.NewFake(t).AllowOverwrite()
		put := func(key string, content []byte) {
			_, err := fake.Put(t.Context(), storage.DefaultRoot+"/"+key, bytes.NewReader(content), drivers.Cond{})
			must(t, err)
		}
		asDistribution(t, fake, payload, [][]byte{content(1, 10)}, "v1")
		registry := storage.New(fake, storage.Options{Rules: manifest.Rules{Schema1: true, Signers: len(signatures)}})
		must(t, registry.Prepare(t.Context()))
		_, err := registry.Import(t.Context(), storage.ImportOptions{})
		must(t, err)
		for i, s := range signatures {
			below := "repositories/" + string(repoName) + "/_manifests/revisions/sha256/" + d.Encoded() + "/signatures/sha256/" + s.Digest.Encoded()
			switch damage := c.damaged[i].(type) {
			case nil:
				put(below+"/jws", s.JSON)
			case []byte:
				put(below+"/jws", damage)
			case string:
				if damage != "absent" {
					put(below+"/link", []byte(s.Digest))
				}
				if damage == "pointer" {
					put("blobs/sha256/"+s.Digest.Encoded()[:2]+"/"+s.Digest.Encoded()+"/pointer", []byte("none"))
				}
			}
		}
		serves := func(when string, want int) {
			t.Helper()
			node := storage.New(fake, storage.Options{}).Repository(repoName)
			m, err := node.Manifest(t.Context(), reference.Reference{Tag: "v1"})
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, when, err)
				return
			}
			if stat, err := node.StatManifest(t.Context(), reference.Reference{Tag: "v1"}); err != nil || stat.Served != m.Served || stat.MediaType != m.MediaType {
				t.Errorf("%s, %s: by stat %v, %v", c.name, when, stat, err)
			}
			if want == 0 {
				if !bytes.Equal(m.Content, payload) || m.MediaType != manifest.MediaTypeSchema1 {
					t.Errorf("%s, %s: served as %s, %s", c.name, when, m.MediaType, m.Content)
				}
				return
			}
			if _, all, err := manifest.Verify(m.Content, len(signatures)); err != nil || len(all) != want {
				t.Errorf("%s, %s: %d signatures of %d, %v", c.name, when, len(all), want, err)
			}
		}
		serves("damaged", len(signatures)-len(c.damaged))
		in := storage.Push{MediaType: manifest.MediaTypeSchema1Signed, Content: document, Tags: []reference.Tag{"v1"}}
		if _, err := registry.Repository(repoName).PutManifest(t.Context(), in); err != nil {
			t.Errorf("%s: push: %v", c.name, err)
		}
		if c.mend {
			serves("pushed again", len(signatures))
		}
	}
}

// TestOldTarSum: the link of a TarSum is where CNCF Distribution had it, and says the same.
func TestOldTarSum(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t).AllowOverwrite()
	blob := content(1, 100)
	asDistribution(t, fake, image("old", blob), [][]byte{blob}, "latest")
	hex := digest.FromString("").Encoded()
	want := map[string]string{reference.TarSumV0: "v0", reference.TarSumV1: "v1", reference.TarSumDev: "dev"}
	for _, version := range want {
		key := storage.DefaultRoot + "/repositories/" + string(repoName) + "/_layers/tarsum/" + version + "/sha256/" + hex + "/link"
		_, err := fake.Put(t.Context(), key, bytes.NewReader([]byte(digest.FromBytes(blob))), drivers.Cond{})
		must(t, err)
	}
	registry := storage.New(fake, storage.Options{Rules: manifest.Rules{TarSums: true}})
	must(t, registry.Prepare(t.Context()))
	for algorithm := range want {
		sum, err := reference.ParseTarSum(algorithm + ":" + hex)
		must(t, err)
		got, err := registry.Repository(repoName).TarSum(t.Context(), sum)
		if err != nil || got != digest.FromBytes(blob) {
			t.Errorf("%s is %s, %v", sum, got, err)
		}
	}
	sound(t, fake)
}
