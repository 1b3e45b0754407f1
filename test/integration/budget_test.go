//go:build stores

package integration_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// imageOf pushes c blobs and gives a manifest of them.
func (r *registry) imageOf(name string, c int, seed uint64) []byte {
	r.Helper()
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for i := range c {
		content := noise(kib, seed<<8+uint64(i))
		r.pushBlob(name, content)
		if i == 0 {
			m.Config = describe(v1.MediaTypeImageConfig, content)
			continue
		}
		m.Layers = append(m.Layers, describe(v1.MediaTypeImageLayerGzip, content))
	}
	return encode(m)
}

// TestBudgetManifestPut: the table allows 6 requests, and two for each blob on a node that knows no link yet. The first push of a node to a repository
// makes sure of the catalog leaf as well.
func TestBudgetManifestPut(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	for _, c := range []int{1, 12} {
		name := fmt.Sprintf("repo%d", c)
		pusher := m.node()
		first, second := pusher.imageOf(name, c, 1), pusher.imageOf(name, c, 2)
		node := m.node()
		m.costs(fmt.Sprintf("the first manifest of a repository, %d blobs", c), 7+2*c, func() {
			node.put(name, "1", v1.MediaTypeImageManifest, first).want(http.StatusCreated)
		})
		m.costs(fmt.Sprintf("a manifest, %d blobs", c), 6+2*c, func() {
			node.put(name, "2", v1.MediaTypeImageManifest, second).want(http.StatusCreated)
		})
		third := pusher.imageOf(name, c, 3)
		m.costs(fmt.Sprintf("a manifest in the place of another one, %d blobs", c), 6+2*c, func() {
			node.put(name, "2", v1.MediaTypeImageManifest, third).want(http.StatusCreated)
		})
		node.serves(name, "2", v1.MediaTypeImageManifest, sha256(third), third)
	}
}

// TestBudgetReads asks nodes that know nothing; what nodes remember is in TestBudgetWarm.
func TestBudgetReads(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	pusher := m.node()
	manifest := pusher.imageOf("a", 3, 1)
	pusher.put("a", "latest", v1.MediaTypeImageManifest, manifest).want(http.StatusCreated)
	large, small := noise(100*kib, 1), noise(64*kib, 2)
	pusher.pushBlob("a", large)
	pusher.pushBlob("a", small)
	d := sha256(manifest).String()
	for _, c := range []struct {
		method, target string
		atMost         int
		content        []byte
	}{
		{"GET", "/v2/a/manifests/latest", 2, manifest},
		{"HEAD", "/v2/a/manifests/latest", 2, nil},
		{"GET", "/v2/a/manifests/" + d, 2, manifest},
		{"HEAD", "/v2/a/manifests/" + d, 2, nil},
		{"GET", "/v2/a/blobs/" + sha256(large).String(), 3, large},
		{"HEAD", "/v2/a/blobs/" + sha256(large).String(), 2, nil},
		{"GET", "/v2/a/blobs/" + sha256(small).String(), 2, small},
		{"HEAD", "/v2/a/blobs/" + sha256(small).String(), 2, nil},
	} {
		node := m.node()
		what, _, _ := strings.Cut(c.method+" "+c.target, "sha256")
		m.costs(fmt.Sprintf("%s (%d bytes)", what, len(c.content)), c.atMost, func() {
			node.do(c.method, c.target).want(http.StatusOK).is(c.content)
		})
	}
	node := m.node()
	m.costs("a mount", 3, func() {
		node.do("POST", "/v2/b/blobs/uploads/?from=a&mount="+sha256(large).String()).want(http.StatusCreated)
	})
	node.holds("b", sha256(large), large)
}

// fill puts n leaves below a folder, which say nothing, since a list does not read what it lists. MinIO unpacks them from one archive; thousands of
// PUTs would take longer than all that is measured here.
func (m *metered) fill(folder string, n int) (leaves []string) {
	m.Helper()
	var archive bytes.Buffer
	pack := tar.NewWriter(&archive)
	for i := range n {
		leaves = append(leaves, fmt.Sprintf("t%05d", i))
		if err := pack.WriteHeader(&tar.Header{Name: leaves[i], Size: 2, Mode: 0o600}); err != nil {
			m.Fatal(err)
		}
		_, _ = pack.Write([]byte("{}"))
	}
	if err := pack.Close(); err != nil {
		m.Fatal(err)
	}
	_, err := m.bucket.Client().PutObject(m.Context(), &sdk.PutObjectInput{
		Bucket: &m.bucket.Bucket, Key: aws.String(folder + "/leaves.tar"), Body: bytes.NewReader(archive.Bytes()),
		Metadata: map[string]string{"snowball-auto-extract": "true", "minio-snowball-prefix": folder},
	})
	if err != nil {
		m.Fatal(err)
	}
	return leaves
}

// TestBudgetLists: a page is one LIST. Whether a page that is exactly full is the last one, S3 does not say in the same request: the page behind it may be
// empty.
func TestBudgetLists(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	all := m.fill("docker/registry/v2/repositories/a/_tags", 2500)
	pages := func(what, target string, sizes ...int) {
		got, node := []string(nil), m.node()
		for i, size := range sizes {
			m.costs(fmt.Sprintf("%s, page %d, %d entries", what, i+1, size), 1, func() {
				a := node.do("GET", target).want(http.StatusOK)
				list := into[struct{ Tags, Repositories []string }](a)
				page := append(list.Tags, list.Repositories...)
				if len(page) != size {
					t.Fatalf("%s: %d entries, want %d", a.what, len(page), size)
				}
				got, target = append(got, page...), a.next()
			})
		}
		if target != "" || strings.Join(got, " ") != strings.Join(all, " ") {
			t.Errorf("%s: %d entries, then a Link to %q", what, len(got), target)
		}
	}
	pages("tags", "/v2/a/tags/list", 1000, 1000, 500)
	pages("tags by 900", "/v2/a/tags/list?n=900", 900, 900, 700)

	all = m.fill("docker/registry/v2/catalog", 250)
	pages("catalog", "/v2/_catalog", 250)
	pages("catalog by 100", "/v2/_catalog?n=100", 100, 100, 50)
}
