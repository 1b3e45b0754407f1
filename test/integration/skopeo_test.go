//go:build stores

package integration_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/integration/cluster"
)

// TestSkopeoSchema1: skopeo makes schema 1 of an image, pushes it through two nodes, each time signed by another key, and pulls it through two nodes. What
// it gets is what was pushed, with both signatures.
func TestSkopeoSchema1(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Redis: true, Env: []string{"REGISTRY_COMPATIBILITY_SCHEMA1_ENABLED=true"}})
	s, nodes := newSkopeo(t), nodesOf(t, c)
	image := nodes[0].pushArchives("a/source", "amd64")
	nodes[0].put("a/source", "v1", v1.MediaTypeImageManifest, image.oci).want(http.StatusCreated)

	var payload []byte
	for i, node := range nodes[:2] {
		s.copy(skopeoName(nodes[0], "a/source:v1"), skopeoName(node, "a/signed:v1"), "--format", "v2s1")
		served := nodes[2].do(http.MethodGet, "/v2/a/signed/manifests/v1").want(http.StatusOK)
		signed, signatures, err := manifest.Verify(served.body, 64)
		if err != nil || len(signatures) != i+1 || payload != nil && !bytes.Equal(signed, payload) {
			t.Fatalf("after the push through node %d: %d signatures, %v, of %s; the payload was %s", i, len(signatures), err, signed, payload)
		}
		payload = signed
	}
	served := nodes[2].servesSigned("a/signed", "v1", payload, 2)
	image.isPayload(t, payload, "a/signed", "v1")

	facts := s.inspect(skopeoName(nodes[0], "a/source:v1"), "--format", skopeoFacts)
	for _, node := range nodes[1:] {
		for _, ref := range []string{":v1", "@" + sha256(payload).String()} {
			from := skopeoName(node, "a/signed"+ref)
			if raw := s.inspect(from, "--raw"); !bytes.Equal(raw, served) {
				t.Errorf("%s is\n%s\nwant\n%s", from, raw, served)
			}
			if got := s.inspect(from, "--format", skopeoFacts); !bytes.Equal(got, facts) {
				t.Errorf("of %s skopeo says\n%sand of what it was made of\n%s", from, got, facts)
			}
			dir := t.TempDir()
			s.copy(from, "dir:"+dir, "--preserve-digests")
			for name, want := range image.files(served) {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("pulled from %s, %s is %q, %v, want %q", from, name, got, err, want)
				}
			}
		}
	}
	nodes[1].serves("a/source", "v1", v1.MediaTypeImageManifest, sha256(image.oci), image.oci)
	c.Check(t)
}

// TestSkopeoConvertsNothing: an image or index of any kind is served by all nodes as it was pushed, and so is a copy that skopeo pulls through one node
// and pushes through another. skopeo would convert it if the registry refused its type.
func TestSkopeoConvertsNothing(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Redis: true})
	s, nodes := newSkopeo(t), nodesOf(t, c)
	amd, arm := nodes[0].pushArchives("a/source", "amd64"), nodes[0].pushArchives("a/source", "arm64")
	for _, kind := range []struct {
		tag, mediaType string
		content        []byte
	}{
		{"oci", v1.MediaTypeImageManifest, amd.oci},
		{"oci-arm64", v1.MediaTypeImageManifest, arm.oci},
		{"docker", mediaTypeDocker, amd.docker},
		{"docker-arm64", mediaTypeDocker, arm.docker},
		{"index", v1.MediaTypeImageIndex, listOf(v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, amd.oci, arm.oci)},
		{"list", mediaTypeDockerList, listOf(mediaTypeDockerList, mediaTypeDocker, amd.docker, arm.docker)},
	} {
		d := sha256(kind.content)
		nodes[0].put("a/source", kind.tag, kind.mediaType, kind.content).want(http.StatusCreated)
		s.copy(skopeoName(nodes[1], "a/source:"+kind.tag), skopeoName(nodes[2], "a/copy:"+kind.tag), "--all")
		for i, name := range []string{"a/source", "a/copy"} {
			for _, node := range nodes {
				node.serves(name, kind.tag, kind.mediaType, d, kind.content)
			}
			for _, from := range []string{skopeoName(nodes[1-i], name+":"+kind.tag), skopeoName(nodes[2-i], name+"@"+d.String())} {
				if raw := s.inspect(from, "--raw"); !bytes.Equal(raw, kind.content) {
					t.Errorf("%s is %s, want %s", from, raw, kind.content)
				}
			}
		}
	}
	for _, layer := range slices.Concat(amd.layers, arm.layers) {
		nodes[0].holds("a/copy", sha256(layer), layer)
	}
	c.Check(t)
}

// nodesOf speaks to each node of a cluster by itself.
func nodesOf(t *testing.T, c *cluster.Cluster) (nodes []*registry) {
	for _, n := range c.Nodes() {
		nodes = append(nodes, &registry{T: t, url: n.URL, client: http.DefaultClient})
	}
	return nodes
}

// skopeo runs with a home of its own: nothing of the user's is read or changed.
type skopeo struct {
	*testing.T
	program, home string
}

func newSkopeo(t *testing.T) *skopeo {
	s := &skopeo{T: t, program: teststore.Skopeo(t), home: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.home, "registries.conf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// skopeoName is what skopeo calls name:tag or name@digest of a registry.
func skopeoName(r *registry, image string) string {
	return strings.Replace(r.url, "http:", "docker:", 1) + "/" + image
}

// skopeoFacts has inspect tell what the config of an image says, in whatever form it is kept.
const skopeoFacts = "{{.Created}} {{.Architecture}} {{.Os}} {{.Labels}} {{.Env}}\n"

func (s *skopeo) copy(from, to string, options ...string) {
	s.Helper()
	s.run(slices.Concat([]string{"copy", "--src-tls-verify=false", "--dest-tls-verify=false"}, options, []string{from, to})...)
}

func (s *skopeo) inspect(image string, options ...string) []byte {
	s.Helper()
	return s.run(slices.Concat([]string{"inspect", "--tls-verify=false"}, options, []string{image})...)
}

// run gives what skopeo prints.
func (s *skopeo) run(args ...string) []byte {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, append([]string{"--insecure-policy", "--registries.d", s.home}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "TMPDIR=" + s.home, "XDG_RUNTIME_DIR=" + s.home, "XDG_DATA_HOME=" + s.home,
		"REGISTRY_AUTH_FILE=" + filepath.Join(s.home, "auth.json"), "CONTAINERS_REGISTRIES_CONF=" + filepath.Join(s.home, "registries.conf"),
		"_CONTAINERS_ROOTLESS_UID=1", // root's cache of which blob is where is one for the machine, that of others is at home
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}
