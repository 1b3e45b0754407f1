//go:build stores

package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/storage"
	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
)

var killSize = flag.Int("kill-size", 17, "what TestKill pushes again and again, in MiB; more than 16, for a checkpoint at the end of the PATCH")

// never is a step that no upload comes to.
const never = 1 << 30

// TestKill kills a node, by SIGKILL, at each of the requests to the store that an upload takes: before the store gets it, and after, before its answer is
// there. Another process goes on with the upload from the last Location that the client has, or the client starts over.
func TestKill(t *testing.T) {
	t.Parallel()
	program, err := node.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []moment{beforeRequest, beforeAnswer} {
		t.Run(when.String(), func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, program, when)
			// Several parts and a tail, with a checkpoint at the end of the PATCH.
			k.each(t, *killSize<<20, func(int, int) bool { return true })
			// A checkpoint on the way, after 64 MiB: the steps between it and the end of the PATCH.
			k.each(t, 76<<20, func(step, all int) bool { return step == all*2/3 })
			clean := open(t, k.store, nil, 0)
			sound(t, clean, 0, storage.FsckOptions{Deep: true})
			swept(t, k.store, clean)
		})
	}
}

// killer pushes to a node that is killed, and goes on at one that lives.
type killer struct {
	program string
	when    moment
	store   teststore.S3
	proxy   *proxy
	second  *client
	runs    int
}

func newKiller(t *testing.T, program string, when moment) *killer {
	store := teststore.MinIO(t)
	k := &killer{program: program, when: when, store: store, proxy: newProxy(t, store)}
	k.second = clientOf(k.start(t, store.Endpoint))
	return k
}

// each pushes a blob of a size once in peace, to see how many steps that takes, and then once for each step to be tried.
func (k *killer) each(t *testing.T, size int, try func(step, all int) bool) {
	blob := noise(7, size)
	all := k.run(t, never, blob)
	t.Logf("to push %d MiB takes %d requests", size>>20, all)
	for step := 1; step <= all; step++ {
		if try(step, all) {
			k.run(t, step, blob)
		}
	}
}

func clientOf(n *node.Node) *client {
	return &client{http: &http.Client{Transport: &http.Transport{}}, nodes: []string{n.URL}, random: rand.New(rand.NewPCG(1, 1)), seen: &tally{}}
}

// start brings up a node with small parts, so that an upload has many.
func (k *killer) start(t *testing.T, endpoint string) *node.Node {
	t.Helper()
	n, err := node.Start(k.program, append(node.Bucket(k.store, endpoint), "REGISTRY_STORAGE_S3_CHUNKSIZE=5MiB")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	return n
}

// run pushes a blob to a node that is killed at a step, and finishes it at another one. It gives how many requests the first one made.
func (k *killer) run(t *testing.T, step int, blob []byte) (steps int) {
	t.Helper()
	k.runs++
	copy(blob, fmt.Sprintf("run %06d", k.runs)) // a blob that is there already would take fewer steps
	d := digest.FromBytes(blob)

	first := k.start(t, k.proxy.URL)
	k.proxy.arm(step, k.when, first.Kill)
	up, done, err := begin(t.Context(), clientOf(first), blob, d)
	first.Kill()
	steps, did, saved := k.proxy.disarm()
	if err != nil && (did == "" || !errors.Is(err, errAgain)) {
		t.Fatalf("the first node: %v\n%s", err, first.Log())
	}
	if step != never && did == "" {
		t.Logf("this time it took %d requests only", steps)
	}

	resumed := int64(len(blob))
	if !done {
		if resumed, err = finishElsewhere(t.Context(), k.second, up, blob, d); err != nil {
			t.Fatalf("killed %s request %d, %s: %v", k.when, step, did, err)
		}
	}
	if resumed < up.off || saved && resumed == 0 {
		t.Errorf("killed %s request %d, %s: of %d bytes acknowledged %d are left, checkpoint: %t", k.when, step, did, up.off, resumed, saved)
	}
	if _, err := k.second.do(t.Context(), http.MethodHead, "/v2/"+repo+"/blobs/"+d.String(), nil, http.StatusOK); err != nil {
		t.Error(err)
	}
	if step != never {
		t.Logf("killed %s request %2d, %-23s: %2d MiB acknowledged, gone on from %2d MiB", k.when, step, did, up.off>>20, resumed>>20)
	}
	return steps
}

const repo = "some/repo"

// begin pushes as docker does, with no second try. It gives the last that the client heard of its upload.
func begin(ctx context.Context, c *client, blob []byte, d digest.Digest) (up upload, done bool, err error) {
	a, err := c.do(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		return up, false, err
	}
	if up, err = stands(a); err != nil {
		return up, false, err
	}
	a, err = c.do(ctx, http.MethodPatch, up.location, &part{content: blob, streamed: true}, http.StatusAccepted)
	if err != nil {
		return up, false, err
	}
	if up, err = stands(a); err != nil {
		return up, false, err
	}
	_, err = c.do(ctx, http.MethodPut, up.location+"?digest="+d.String(), nil, http.StatusCreated)
	return up, err == nil, err
}

// finishElsewhere brings the upload to its end at another node, and says from where on. A client that is told of no such upload looks first whether the
// blob is there: the upload may be over because it came to its end.
func finishElsewhere(ctx context.Context, c *client, up upload, blob []byte, d digest.Digest) (resumed int64, err error) {
	docker := styles[0]
	if up.location == "" { // the node died of a request that it made by itself, before it had answered at all
		return 0, c.push(ctx, repo, blob, docker)
	}
	now, err := c.status(ctx, up)
	if err == nil {
		resumed = now.off
		err = c.finish(ctx, now, blob, d, docker)
	}
	if !errors.Is(err, errRestart) {
		return resumed, err
	}
	a, err := c.do(ctx, http.MethodHead, "/v2/"+repo+"/blobs/"+d.String(), nil, http.StatusOK, http.StatusNotFound)
	if err != nil || a.status == http.StatusOK {
		return int64(len(blob)), err
	}
	return 0, c.push(ctx, repo, blob, docker)
}
