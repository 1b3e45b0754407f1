package storage_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

var signedLayer = content(1, 10)

// signedPayload is a manifest of Docker schema 1 that is yet to be signed.
func signedPayload() []byte {
	return fmt.Appendf(nil, "{\n   \"schemaVersion\": 1,\n   \"name\": %q,\n   \"tag\": \"v1\",\n   \"architecture\": \"amd64\",\n   \"fsLayers\": [{\"blobSum\": %q}],\n"+
		"   \"history\": [{\"v1Compatibility\": \"{}\"}]\n}", string(repoName), digest.FromBytes(signedLayer))
}

// signedDocuments are the payload, signed by a new key each.
func signedDocuments(t testing.TB, n int) (documents [][]byte) {
	t.Helper()
	for range n {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		document, err := manifest.Sign(signedPayload(), key)
		must(t, err)
		documents = append(documents, document)
	}
	return documents
}

func signedRepository(d drivers.Driver, limit int) *storage.Repository {
	return storage.New(d, storage.Options{Rules: manifest.Rules{Schema1: true, Signers: limit}, CacheBytes: 1 << 20}).Repository(repoName)
}

func pushSigned(ctx context.Context, repo *storage.Repository, document []byte, tags ...reference.Tag) error {
	_, err := repo.PutManifest(ctx, storage.Push{MediaType: manifest.MediaTypeSchema1Signed, Content: document, Tags: tags})
	return err
}

// signers says which of the documents' signatures a repository serves, by tag or digest; there is false where there is no such manifest.
func signers(t testing.TB, repo *storage.Repository, ref reference.Reference, documents [][]byte) (which []int, there bool) {
	t.Helper()
	m, err := repo.Manifest(t.Context(), ref)
	if err != nil && storage.CodeOf(err) == storage.ManifestUnknown {
		return nil, false
	}
	must(t, err)
	if m.MediaType != manifest.MediaTypeSchema1Signed {
		t.Fatalf("served as %s: %s", m.MediaType, m.Content)
	}
	_, served, err := manifest.Verify(m.Content, storage.MostSigners)
	must(t, err)
	for i, document := range documents {
		_, signatures, err := manifest.Verify(document, 1)
		must(t, err)
		if slices.ContainsFunc(served, func(s manifest.Signature) bool { return s.Digest == signatures[0].Digest }) {
			which = append(which, i)
		}
	}
	if len(which) != len(served) {
		t.Fatalf("%d signatures are served, and %d of them were pushed", len(served), len(which))
	}
	return which, true
}

var (
	signedDigest = digest.FromBytes(signedPayload())
	signedTag    = reference.Reference{Tag: "v1"}
)

// TestSignedAgain: what is pushed after a deletion begins without the signatures from before, and so without what they used up of the limit. One of these that
// is pushed again counts, and is served.
func TestSignedAgain(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 8)
	fake := drivertest.NewFake(t)
	repo := signedRepository(fake, 3)
	must(t, pushWhole(t.Context(), repo, signedLayer))
	serves := func(when string, want ...int) {
		t.Helper()
		for _, ref := range []reference.Reference{signedTag, {Digest: signedDigest}} {
			for _, node := range []*storage.Repository{repo, signedRepository(fake, 3)} {
				if got, _ := signers(t, node, ref, documents); !slices.Equal(got, want) {
					t.Errorf("%s, %s: the signatures %v are served, not %v", when, ref, got, want)
				}
			}
		}
	}
	for life := range 3 {
		for i := range 3 {
			must(t, pushSigned(t.Context(), repo, documents[life+i], "v1"))
		}
		serves("at the limit", life, life+1, life+2)
		err := pushSigned(t.Context(), repo, documents[7], "v1")
		if storage.CodeOf(err) != storage.ManifestInvalid || !strings.Contains(err.Error(), "delete it by its digest and push it again") {
			t.Errorf("beyond the limit: %v", err)
		}
		must(t, pushSigned(t.Context(), repo, documents[life+1]))
		must(t, repo.DeleteManifest(t.Context(), signedDigest, nil))
		if _, there := signers(t, repo, signedTag, documents); there {
			t.Error("it is served after it was deleted")
		}
		sound(t, fake)
	}
	must(t, pushSigned(t.Context(), repo, documents[2]))
	must(t, pushSigned(t.Context(), repo, documents[6], "v1"))
	serves("after all", 2, 6)
	sound(t, fake)
}

// TestSignersMeetDelete: two pushes of one payload that others have signed, one of them with a signature that is there, meet a deletion in every order that the
// seeds give. What comes out is what some order one after the other gives: no signature from before a deletion is left behind it, and none is lost.
func TestSignersMeetDelete(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 4)
	// What each start allows: what is served, and "none" where there is no manifest.
	starts := []struct {
		name   string
		delete bool // one meets the pushes
		before func(*testing.T, *storage.Repository)
		want   []string
	}{
		{"live", true, func(t *testing.T, r *storage.Repository) {
			must(t, pushSigned(t.Context(), r, documents[0], "v1"))
			must(t, pushSigned(t.Context(), r, documents[3], "v1"))
		}, []string{"none", "[0]", "[1]", "[0 1]"}},
		{"live again", true, func(t *testing.T, r *storage.Repository) {
			must(t, pushSigned(t.Context(), r, documents[3], "v1"))
			must(t, r.DeleteManifest(t.Context(), signedDigest, nil))
			must(t, pushSigned(t.Context(), r, documents[0], "v1"))
		}, []string{"none", "[0]", "[1]", "[0 1]"}},
		{"absent", true, func(*testing.T, *storage.Repository) {}, []string{"none", "[0]", "[1]", "[0 1]"}},
		{"buried", false, func(t *testing.T, r *storage.Repository) {
			must(t, pushSigned(t.Context(), r, documents[0], "v1"))
			must(t, r.DeleteManifest(t.Context(), signedDigest, nil))
		}, []string{"[0 1]"}},
		{"buried again", true, func(t *testing.T, r *storage.Repository) {
			must(t, pushSigned(t.Context(), r, documents[0], "v1"))
			must(t, r.DeleteManifest(t.Context(), signedDigest, nil))
		}, []string{"none", "[0]", "[1]", "[0 1]"}},
	}
	for i, start := range starts {
		outcomes := map[string]int{}
		for seed := range uint64(150) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake(t)
				must(t, pushWhole(t.Context(), signedRepository(fake, 0), signedLayer))
				start.before(t, signedRepository(fake, 0))
				s := &scheduler{Driver: fake}
				tags := [][]reference.Tag{{"v1"}, {"v1"}}
				if seed%3 == 0 {
					tags[1] = nil
				}
				deleted := false
				actors := []func(){
					func() { must(t, pushSigned(t.Context(), signedRepository(s, 0), documents[0], tags[0]...)) },
					func() { must(t, pushSigned(t.Context(), signedRepository(s, 0), documents[1], tags[1]...)) },
				}
				if start.delete {
					actors = append(actors, func() {
						for tries := 0; !deleted && tries < 6; tries++ {
							deleted = signedRepository(s, 0).DeleteManifest(t.Context(), signedDigest, nil) == nil
						}
					})
				}
				s.run(mathrand.New(mathrand.NewPCG(seed, uint64(i))), actors...)
				node := signedRepository(fake, 0)
				which, there := signers(t, node, reference.Reference{Digest: signedDigest}, documents)
				got := fmt.Sprint(which)
				if !there {
					got = "none"
				}
				outcomes[got]++
				want := start.want
				if start.delete && !deleted {
					want = []string{"[0 1]"} // it came before all
				}
				if !slices.Contains(want, got) {
					t.Fatalf("%s, seed %d: %s, deleted %v", start.name, seed, got, deleted)
				}
				if by, tagged := signers(t, node, signedTag, documents); tagged && !slices.Equal(by, which) {
					t.Fatalf("%s, seed %d: by tag %v, and by digest %v", start.name, seed, by, which)
				} else if slices.Equal(which, []int{0, 1}) && !tagged {
					t.Fatalf("%s, seed %d: both pushes came after the deletion, and the tag of one is gone", start.name, seed)
				}
				if seed%29 == 0 {
					sound(t, fake)
				}
			})
			if t.Failed() {
				return
			}
		}
		t.Log(start.name, outcomes)
		if start.delete && len(outcomes) < 3 {
			t.Errorf("%s: the schedules did not lead to different ends", start.name)
		}
	}
}

// TestSignedAgainCrash: a push onto a link that was buried dies at each call of the store.
func TestSignedAgainCrash(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 3)
	var acked bool
	open := func(t *testing.T) drivers.Driver {
		fake := drivertest.NewFake(t)
		repo := signedRepository(fake, 0)
		must(t, pushWhole(t.Context(), repo, signedLayer))
		must(t, pushSigned(t.Context(), repo, documents[0], "v1"))
		must(t, repo.DeleteManifest(t.Context(), signedDigest, nil))
		return fake
	}
	act := func(t *testing.T, d drivers.Driver) {
		acked = pushSigned(t.Context(), signedRepository(d, 0), documents[1], "v1") == nil
	}
	check := func(t *testing.T, d drivers.Driver, at drivertest.Call) {
		sound(t, d)
		repo := signedRepository(d, 0)
		which, there := signers(t, repo, reference.Reference{Digest: signedDigest}, documents)
		if there && !slices.Equal(which, []int{1}) || acked && !there {
			t.Errorf("died in %v: the signatures %v are served", at, which)
		}
		must(t, pushSigned(t.Context(), repo, documents[2], "v1"))
		want := []int{2}
		if there {
			want = []int{1, 2}
		}
		if got, _ := signers(t, repo, signedTag, documents); !slices.Equal(got, want) {
			t.Errorf("died in %v: then the signatures %v are served, not %v", at, got, want)
		}
		sound(t, d)
	}
	drivertest.EachCrash(t, open, act, check)
}

// TestFsckOutlivedSignatures: what was signed before a deletion is a leftover after a day, and no other signature is.
func TestFsckOutlivedSignatures(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 5)
	fake := drivertest.NewFake(t)
	repo := signedRepository(fake, 0)
	must(t, pushWhole(t.Context(), repo, signedLayer))
	leftovers := func(later time.Duration, prune bool) (n int) {
		t.Helper()
		node := storage.New(drivertest.NewLater(fake, later), storage.Options{Now: func() time.Time { return time.Now().Add(later) }})
		_, err := node.Fsck(t.Context(), storage.FsckOptions{Prune: prune, Finding: func(f storage.Finding) {
			if strings.Contains(f.Key, "/signatures/") && f.Severity == storage.Leftover && f.Pruned == prune {
				n++
			} else if f.Severity == storage.Damage {
				t.Error(f.Severity, f.Key, f.Message)
			}
		}})
		must(t, err)
		return n
	}
	push := func(which ...int) {
		t.Helper()
		for _, i := range which {
			must(t, pushSigned(t.Context(), repo, documents[i], "v1"))
		}
	}
	const young, old = 23 * time.Hour, 25 * time.Hour
	push(0, 1)
	must(t, repo.DeleteManifest(t.Context(), signedDigest, nil))
	if n := leftovers(young, true) + leftovers(0, true); n != 0 {
		t.Errorf("%d signatures that are not a day old", n)
	}
	if n := leftovers(old, false); n != 2 {
		t.Errorf("%d leftovers of the first life", n)
	}
	push(1, 2)
	must(t, repo.DeleteManifest(t.Context(), signedDigest, nil))
	push(2, 3, 4)
	if n := leftovers(old, true); n != 4 {
		t.Errorf("%d leftovers of two lives", n)
	}
	if n := leftovers(old, true); n != 0 {
		t.Errorf("%d leftovers where all were removed", n)
	}
	if got, _ := signers(t, signedRepository(fake, 0), signedTag, documents); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("the signatures %v are left", got)
	}
}

// TestFsckEmptySignatures: a signature of no bytes is none.
func TestFsckEmptySignatures(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 2)
	fake := drivertest.NewFake(t).AllowOverwrite()
	repo := signedRepository(fake, 0)
	must(t, pushWhole(t.Context(), repo, signedLayer))
	for _, document := range documents {
		must(t, pushSigned(t.Context(), repo, document, "v1"))
	}
	for i, want := range []int{1, 3} { // each of them, and in the end the manifest that has none
		key := signatureKeys(fake)[i]
		_, err := fake.Put(t.Context(), key, bytes.NewReader(nil), drivers.Cond{})
		must(t, err)
		s, err := storage.New(fake, storage.Options{}).Fsck(t.Context(), storage.FsckOptions{})
		must(t, err)
		if s.Damage != want {
			t.Errorf("%d empty signatures: %d times damage, not %d", i+1, s.Damage, want)
		}
	}
	must(t, pushSigned(t.Context(), repo, documents[0], "v1"))
	must(t, pushSigned(t.Context(), repo, documents[1], "v1"))
	sound(t, fake)
}

func signatureKeys(fake *drivertest.Fake) []string {
	return slices.DeleteFunc(fake.Keys(), func(key string) bool { return !strings.Contains(key, "/jws") })
}

// opens counts reads, and fails those of some keys.
type opens struct {
	drivers.Driver
	n    atomic.Int64
	fail atomic.Pointer[string] // a part of a key
}

func (o *opens) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	o.n.Add(1)
	if part := o.fail.Load(); part != nil && strings.Contains(key, *part) {
		return nil, drivers.Info{}, drivers.ErrUnavailable
	}
	return o.Driver.Open(ctx, key, off, n)
}

// TestGoneSignatures: signatures whose blobs are gone are looked for once, and not again as long as the list stays as it is; where the store does not answer,
// nothing is concluded.
func TestGoneSignatures(t *testing.T) {
	t.Parallel()
	documents := signedDocuments(t, 3)
	d := signedDigest
	below := storage.DefaultRoot + "/repositories/" + string(repoName) + "/_manifests/revisions/sha256/" + d.Encoded() + "/signatures/sha256/"
	for _, gone := range [][]int{{0}, {0, 1}, {0, 1, 2}} {
		fake := drivertest.NewFake(t).AllowOverwrite()
		asDistribution(t, fake, signedPayload(), [][]byte{signedLayer}, "v1")
		must(t, func() error { _, err := prepared(t, fake).Import(t.Context(), storage.ImportOptions{}); return err }())
		var kept []int
		for i, document := range documents {
			_, signatures, err := manifest.Verify(document, 1)
			must(t, err)
			key, content := below+signatures[0].Digest.Encoded()+"/link", []byte(signatures[0].Digest)
			if !slices.Contains(gone, i) {
				kept = append(kept, i)
				key, content = below+signatures[0].Digest.Encoded()+"/jws", signatures[0].JSON
			}
			_, err = fake.Put(t.Context(), key, bytes.NewReader(content), drivers.Cond{})
			must(t, err)
		}
		store := &opens{Driver: fake}
		node := storage.New(store, storage.Options{CacheBytes: 1 << 20, Rules: manifest.Rules{Schema1: true}})
		must(t, node.Prepare(t.Context()))
		repo := node.Repository(repoName)
		part := "/blobs/"
		store.fail.Store(&part)
		if _, err := repo.Manifest(t.Context(), signedTag); err == nil {
			t.Errorf("%d gone: the store does not answer, and the manifest is served", len(gone))
		}
		store.fail.Store(nil)
		serves := func(when string, want []int) {
			t.Helper()
			if len(want) == 0 {
				if m, err := repo.Manifest(t.Context(), signedTag); err != nil || !bytes.Equal(m.Content, signedPayload()) || m.MediaType != manifest.MediaTypeSchema1 {
					t.Errorf("%d gone, %s: %v, %v", len(gone), when, m, err)
				}
			} else if got, _ := signers(t, repo, signedTag, documents); !slices.Equal(got, want) {
				t.Errorf("%d gone, %s: %v are served, not %v", len(gone), when, got, want)
			}
		}
		serves("at first", kept)
		before := store.n.Load()
		serves("again", kept)
		if n := store.n.Load() - before; n != 1 {
			t.Errorf("%d gone: GET once more read %d times, not just the tag", len(gone), n)
		}
		_, err := repo.StatManifest(t.Context(), signedTag)
		must(t, err)
		if n := store.n.Load() - before; n != 2 {
			t.Errorf("%d gone: HEAD once more read %d times, not just the tag", len(gone), n-1)
		}
		must(t, pushSigned(t.Context(), repo, documents[0], "v1"))
		serves("pushed again", append([]int{0}, kept...))
	}
}

// TestOldMediaType: what a manifest that CNCF Distribution took says of itself is not served as it is.
func TestOldMediaType(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	asDistribution(t, fake, []byte(`{"schemaVersion":1,"mediaType":"text/html","name":"<script>","fsLayers":[]}`), [][]byte{signedLayer}, "v1")
	for _, of := range []func(context.Context, reference.Reference) (*storage.Manifest, error){
		prepared(t, fake).Repository(repoName).Manifest, prepared(t, fake).Repository(repoName).StatManifest,
	} {
		if m, err := of(t.Context(), signedTag); err != nil || m.MediaType != manifest.MediaTypeSchema1 {
			t.Errorf("%v, %v", m, err)
		}
	}
}
