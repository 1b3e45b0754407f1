package storage_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// A list that has thousands of tombstones to skip asks for full pages.
func TestTagsBehindTombstones(t *testing.T) {
	t.Parallel()
	const dead = 3000
	fake := drivertest.NewFake(t)
	fake.DefaultPage = 1000
	repo, config := repository(fake), content(1, 10)
	must(t, pushWhole(t.Context(), repo, config))
	tags := make([]reference.Tag, dead)
	for i := range tags {
		tags[i] = reference.Tag("a" + strings.Repeat("0", i%7) + name(i))
	}
	gone, kept := image("gone", config), image("kept", config)
	for rest := tags; len(rest) > 0; rest = rest[min(len(rest), 500):] {
		must(t, pushManifest(t.Context(), repo, gone, rest[:min(len(rest), 500)]...))
	}
	must(t, pushManifest(t.Context(), repo, kept, "z"))
	must(t, repo.DeleteManifest(t.Context(), digest.FromBytes(gone), nil))
	fake.ResetCounts()
	list, more, err := repo.Tags(t.Context(), "", 1)
	must(t, err)
	if len(list) != 1 || list[0] != "z" || more {
		t.Errorf("got %q, more %v", list, more)
	}
	if n := fake.Counts()[drivertest.OpList]; n > dead/1000+2 {
		t.Errorf("it took %d requests", n)
	}
}

// A client that gives up does not leave tags behind that serve what it deleted.
func TestDeleteOutlivesItsClient(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	repo, config := repository(fake), content(1, 10)
	must(t, pushWhole(t.Context(), repo, config))
	m := image("", config)
	must(t, pushManifest(t.Context(), repo, m, "a", "b", "c"))
	ctx, cancel := context.WithCancel(t.Context())
	impatient := drivertest.NewFaulty(fake, func(c drivertest.Call) drivertest.Outcome {
		if c.Op == drivertest.OpList && strings.Contains(c.Key, "/tags/") {
			cancel()
		}
		return drivertest.Pass
	})
	must(t, repository(impatient).DeleteManifest(ctx, digest.FromBytes(m), nil))
	for _, tag := range []reference.Tag{"a", "b", "c"} {
		if tagOf(t, repo, tag) != "" {
			t.Errorf("the tag %s is left", tag)
		}
	}
}

// Annotations that HTML would escape do not make a record too long to be read, and a referrer says the media type that its manifest has now.
func TestReferrerRecords(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	repo, config := repository(fake), content(1, 10)
	must(t, pushWhole(t.Context(), repo, config))
	subject := digest.FromString("subject")
	m := bytes.Replace(image(strings.Repeat("&", 3<<19), config), []byte(`"annotations"`),
		[]byte(`"subject":{"mediaType":"`+ociType+`","digest":"`+subject.String()+`","size":7},"annotations"`), 1)
	m = bytes.Replace(m, []byte(`"mediaType":"`+ociType+`","schemaVersion"`), []byte(`"schemaVersion"`), 1) // so that the header says what it is
	m = bytes.ReplaceAll(m, []byte(`\u0026`), []byte("&"))
	for _, mediaType := range []string{"application/vnd.example+json", ociType} {
		_, err := repo.PutManifest(t.Context(), storage.Push{MediaType: mediaType, Content: m})
		must(t, err)
		list, _, err := repo.Referrers(t.Context(), subject, "", "")
		must(t, err)
		if len(list) != 1 || list[0].MediaType != mediaType {
			t.Fatalf("%d referrers after a push as %s", len(list), mediaType)
		}
	}
	sound(t, fake)
}
