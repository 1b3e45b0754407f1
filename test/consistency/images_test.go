//go:build stores

package consistency_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// image is one that was pushed.
type image struct {
	repo, tag string
	manifest  []byte
	blobs     [][]byte // the config first
	doomed    bool     // somebody is deleting it, or has done so
}

// gone is what was deleted: a path that every node has to answer with 404.
type gone struct{ path string }

// stress is many clients that push small images, pull those of others and delete their own.
type stress struct {
	*testing.T
	nodes []string
	http  *http.Client
	took  *latencies
	pause time.Duration // of a client before a request of a push or a pull, at most

	mu     sync.Mutex
	images []*image
	gone   []gone
	again  map[string]int // requests that had to be sent again, by why
}

// stressClients is how many of them there are.
const stressClients = 200

func newStress(t *testing.T, nodes []string, pause time.Duration) *stress {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: stressClients}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: answerTime}
	return &stress{T: t, nodes: nodes, http: client, took: newLatencies(), pause: pause, again: map[string]int{}}
}

// run sends requests until told to stop.
func (s *stress) run(ctx context.Context) {
	var group sync.WaitGroup
	for i := range stressClients {
		group.Go(func() {
			random := rand.New(rand.NewPCG(*seed, uint64(i)))
			for n := 0; ctx.Err() == nil; n++ {
				if err := s.round(ctx, random, fmt.Sprintf("v%d-%d", i, n)); err != nil {
					s.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	s.Logf("%d images are there, %d things were deleted, sent again: %v", len(s.images), len(s.gone), s.again)
}

// round is a push, often the end of what was pushed, and two pulls.
func (s *stress) round(ctx context.Context, random *rand.Rand, tag string) error {
	im, err := s.push(random, fmt.Sprintf("team/app-%d", random.IntN(5)), tag)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	s.mu.Lock()
	s.images = append(s.images, im)
	s.mu.Unlock()
	if random.IntN(2) == 0 {
		if err := s.remove(random, im); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	for range 2 {
		s.mu.Lock()
		other := s.images[random.IntN(len(s.images))]
		s.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		if err := s.pull(random, other, s.node(random)); err != nil && !s.isDoomed(other) {
			return fmt.Errorf("pull: %w", err)
		}
	}
	return nil
}

func (s *stress) node(random *rand.Rand) string { return s.nodes[random.IntN(len(s.nodes))] }

func (s *stress) isDoomed(im *image) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return im.doomed
}

var errAgain = errors.New("come back later")

// rest lets a client think, so that not all of the machine is busy all the time: then waiting would be for that.
func (s *stress) rest(random *rand.Rand) {
	if s.pause > 0 {
		pass(s.Context(), time.Duration(random.Int64N(int64(s.pause))))
	}
}

// ask sends one request and notes how long it took.
func (s *stress) ask(kind, method, target string, body []byte, want ...int) (answer, error) {
	begun := time.Now()
	a, err := send(s.Context(), s.http, method, target, body)
	took := time.Since(begun)
	s.took.add(kind, took)
	switch {
	case err == nil && slices.Contains(want, a.status):
		return a, nil
	case err == nil && a.status != http.StatusServiceUnavailable:
		return a, fmt.Errorf("%s: status %d: %.300s", kind, a.status, a.body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	why := fmt.Sprintf("%s %d", kind, a.status)
	if err != nil {
		why = fmt.Sprintf("%s: %v", kind, errors.Unwrap(err))
	}
	s.again[why]++
	return a, errAgain
}

// insist does something again while it is told to.
func insist(do func() error) (err error) {
	for range 20 {
		if err = do(); !errors.Is(err, errAgain) {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
	return err
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
		if err := insist(func() error { return s.pushBlob(random, repo, content) }); err != nil {
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
	return im, insist(func() error {
		_, err := s.ask("PUT manifest", http.MethodPut, s.node(random)+im.byTag(), im.manifest, http.StatusCreated)
		return err
	})
}

func (im *image) byTag() string { return "/v2/" + im.repo + "/manifests/" + im.tag }
func (im *image) byDigest() string {
	return "/v2/" + im.repo + "/manifests/" + digest.FromBytes(im.manifest).String()
}
func (im *image) blob(i int) string {
	return "/v2/" + im.repo + "/blobs/" + digest.FromBytes(im.blobs[i]).String()
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
func location(a answer) string {
	u, err := url.Parse(a.header.Get("Location"))
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
	return insist(func() error {
		a, err := s.ask(kind, http.MethodGet, target, nil, http.StatusOK)
		if err == nil && !bytes.Equal(a.body, content) {
			return fmt.Errorf("%s of %s: another content than was pushed", kind, target)
		}
		return err
	})
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
	tried := 0
	err := insist(func() error {
		want := []int{http.StatusAccepted}
		if tried++; tried > 1 { // the first one may have been done
			want = append(want, http.StatusNotFound)
		}
		_, err := s.ask("DELETE", http.MethodDelete, s.node(random)+target, nil, want...)
		return err
	})
	if err != nil {
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
				err := insist(func() error {
					_, err := s.ask(method+" deleted", method, node+what.path, nil, http.StatusNotFound)
					return err
				})
				if err != nil {
					return fmt.Errorf("%s was deleted: %w", what.path, err)
				}
			}
		}
	}
	return nil
}

// verify asks every node for everything, when nobody writes any more.
func (s *stress) verify() {
	s.pause = 0
	var group errgroup.Group
	group.SetLimit(32)
	for _, im := range s.images {
		if im.doomed {
			continue
		}
		for _, node := range s.nodes {
			group.Go(func() error {
				if err := s.pull(nil, im, node); err != nil {
					s.Errorf("%s:%s was acknowledged: %v", im.repo, im.tag, err)
				}
				return nil
			})
		}
	}
	for _, what := range s.gone {
		group.Go(func() error {
			if err := s.areGone([]gone{what}); err != nil {
				s.Error(err)
			}
			return nil
		})
	}
	_ = group.Wait()
}
