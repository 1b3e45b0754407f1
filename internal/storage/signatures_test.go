package storage_test

import (
	"bytes"
	"os"
	"testing"

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
	for _, kept := range []int{0, 1, len(signatures)} {
		for _, imported := range []bool{false, true} {
			fake := drivertest.NewFake(t).AllowOverwrite()
			asDistribution(t, fake, payload, [][]byte{content(1, 10)}, "latest")
			put := func(key string, content []byte) {
				_, err := fake.Put(t.Context(), storage.DefaultRoot+"/"+key, bytes.NewReader(content), drivers.Cond{})
				must(t, err)
			}
			for _, s := range signatures[:kept] {
				hex := s.Digest.Encoded()
				put("blobs/sha256/"+hex[:2]+"/"+hex+"/data", s.JSON)
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
					t.Errorf("%d kept, %s: %v and by stat %v", kept, ref, m.Served, stat)
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
