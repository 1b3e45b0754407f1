//go:build stores

package compat_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
)

// kept is what was acknowledged, and must be there whatever release serves.
type kept struct {
	blobs     map[digest.Digest][]byte
	manifests map[string][]byte // by tag
}

const keptIn = "kept/here"

// push adds an image and a blob with checkpoints that one release has pushed.
func (k *kept) push(s *side, round string) {
	s.Helper()
	tag := round + "-" + s.release
	content := s.image(keptIn, tag)
	s.put(keptIn, content, tag, "latest")
	k.manifests[tag], k.manifests["latest"] = content, content
	blob := noise(17*mib, tag)
	u := begin(s, s, keptIn)
	k.blobs[docker(u, blob)] = blob
}

// check pulls everything from a node.
func (k *kept) check(s *side) {
	s.Helper()
	for tag, content := range k.manifests {
		s.serves(keptIn, tag, content)
		s.serves(keptIn, digest.FromBytes(content).String(), content)
	}
	for d, blob := range k.blobs {
		s.holds(keptIn, d, blob)
	}
}

// becomes has the node run another release from now on, with more of the environment if need be; "" is the program of this tree.
func (s *side) becomes(release, program string, env ...string) {
	s.Helper()
	s.node.Out()
	ctx, cancel := context.WithTimeout(s.Context(), 3*time.Minute)
	defer cancel()
	if err := s.node.Stop(ctx); err != nil {
		s.Fatal(err)
	}
	s.node.Use(program)
	s.node.Start(env...)
	s.node.In()
	s.release = release
	if s.Failed() {
		s.FailNow()
	}
}

// TestRollback goes back to the previous release after the new one has written, and forward again. Uploads that are under way go on all the while.
func TestRollback(t *testing.T) {
	t.Parallel()
	c, one, two := sides(t)
	k := &kept{blobs: map[digest.Digest][]byte{}, manifests: map[string][]byte{}}
	moves := noise(25*mib, "moves")
	u := begin(two, two, keptIn) // by the new release
	third := len(moves) / 3
	u.patch(third, piece(moves, 0, third))
	k.push(one, "mixed")
	k.push(two, "mixed")

	two.becomes("old", oldProgram(t))
	u.patch(2*third, piece(moves, third, 2*third))
	k.check(one)
	k.check(two)
	k.push(two, "back")
	k.manifests["latest"] = one.image(keptIn, "moved")
	one.put(keptIn, k.manifests["latest"], "latest")
	one.remove("/v2/" + keptIn + "/manifests/mixed-new")
	delete(k.manifests, "mixed-new")
	fsck(t, c.Store, oldProgram(t))

	one.becomes("new", "")
	two.becomes("new", "")
	u.patch(len(moves), piece(moves, 2*third, len(moves)))
	k.blobs[u.close(moves)] = moves
	one.lacks("/v2/" + keptIn + "/manifests/mixed-new")
	k.push(one, "forward")
	k.check(one)
	k.check(two)
	agree(one, two, "/v2/"+keptIn+"/tags/list", "latest", "mixed-old", "back-old", "forward-new")
	agree(one, two, "/v2/_catalog", keptIn)
	fsck(t, c.Store, newProgram(t))
}

// newProgram gives the registryd of this tree.
func newProgram(t *testing.T) string {
	t.Helper()
	program, err := node.Program()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// fsck has a release read the whole store. What uploads leave behind until the janitor comes is no damage.
func fsck(t *testing.T, store teststore.S3, program string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, "fsck", "--deep")
	command.Env = node.Bucket(store, store.Endpoint)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s fsck --deep: %v\n%s", program, err, out)
	}
}
