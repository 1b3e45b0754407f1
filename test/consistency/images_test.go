//go:build stores

package consistency_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/test/rawclient"
)

// image is one that was pushed.
type image struct {
	repo, tag string
	manifest  []byte
	blobs     [][]byte // the config first
	doomed    bool     // somebody is deleting it, or has done so
}

func (im *image) byTag() string { return "/v2/" + im.repo + "/manifests/" + im.tag }
func (im *image) byDigest() string {
	return "/v2/" + im.repo + "/manifests/" + digest.FromBytes(im.manifest).String()
}
func (im *image) blob(i int) string {
	return "/v2/" + im.repo + "/blobs/" + digest.FromBytes(im.blobs[i]).String()
}

// push is over when the manifest was acknowledged.
func (s *stress) push(random *rand.Rand, repo, tag string) (*image, error) {
	im := &image{repo: repo, tag: tag}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest}
	m.SchemaVersion = 2
	for i := range 3 {
		content := make([]byte, 1<<10+random.IntN(8<<10))
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		s.rest(random)
		if err := s.pushBlob(random, repo, content); err != nil {
			return nil, err
		}
		im.blobs = append(im.blobs, content)
		described := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if i == 0 {
			m.Config = described
		} else {
			m.Layers = append(m.Layers, described)
		}
	}
	s.rest(random)
	var err error
	if im.manifest, err = json.Marshal(m); err != nil {
		return nil, err
	}
	_, err = s.ask("PUT manifest", http.MethodPut, s.node(random)+im.byTag(), im.manifest, http.StatusCreated)
	return im, err
}

// pushBlob goes to another node with each request, with the content in the last one or in one of its own.
func (s *stress) pushBlob(random *rand.Rand, repo string, content []byte) error {
	a, err := s.ask("POST upload", http.MethodPost, s.node(random)+"/v2/"+repo+"/blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	last := content
	s.rest(random)
	if random.IntN(2) == 0 {
		if a, err = s.ask("PATCH upload", http.MethodPatch, s.node(random)+location(a), content, http.StatusAccepted); err != nil {
			return err
		}
		last = nil
		s.rest(random)
	}
	_, err = s.ask("PUT upload", http.MethodPut, s.node(random)+location(a)+"?digest="+digest.FromBytes(content).String(), last, http.StatusCreated)
	return err
}

// location is the path that an answer points to.
func location(a rawclient.Answer) string {
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		return "/"
	}
	return u.EscapedPath()
}

// pull reads an image from one node and compares.
func (s *stress) pull(random *rand.Rand, im *image, node string) error {
	s.rest(random)
	if err := s.same("GET manifest", node+im.byTag(), im.manifest); err != nil {
		return err
	}
	for i, content := range im.blobs {
		s.rest(random)
		if err := s.same("GET blob", node+im.blob(i), content); err != nil {
			return err
		}
	}
	return nil
}

func (s *stress) same(kind, target string, content []byte) error {
	a, err := s.ask(kind, http.MethodGet, target, nil, http.StatusOK)
	if err == nil && !bytes.Equal(a.Body, content) {
		return fmt.Errorf("%s of %s: another content than was pushed", kind, target)
	}
	return err
}

// remove takes a tag, a manifest or a layer away that all nodes have just served; none of them may serve it when the answer is there.
func (s *stress) remove(random *rand.Rand, im *image) error {
	s.rest(random)
	what := random.IntN(3)
	target, kind := []string{im.byTag(), im.byDigest(), im.blob(1)}[what], []string{"GET manifest", "GET manifest", "GET blob"}[what]
	for _, node := range s.nodes {
		if err := s.same(kind, node+target, [][]byte{im.manifest, im.manifest, im.blobs[1]}[what]); err != nil {
			return err
		}
	}
	s.mu.Lock()
	im.doomed = true
	s.mu.Unlock()
	if _, err := s.ask("DELETE", http.MethodDelete, s.node(random)+target, nil, http.StatusAccepted); err != nil {
		return err
	}
	paths := []gone{{target}}
	if target == im.byDigest() {
		paths = append(paths, gone{im.byTag()})
	}
	s.mu.Lock()
	s.gone = append(s.gone, paths...)
	s.mu.Unlock()
	return s.areGone(paths)
}

// areGone asks all nodes for what was deleted.
func (s *stress) areGone(paths []gone) error {
	for _, node := range s.nodes {
		for _, what := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if _, err := s.ask(method+" deleted", method, node+what.path, nil, http.StatusNotFound); err != nil {
					return fmt.Errorf("%s was deleted: %w", what.path, err)
				}
			}
		}
	}
	return nil
}
