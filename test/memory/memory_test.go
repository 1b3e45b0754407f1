//go:build memory

// Package memory_test weighs a registryd, a process as it is released, while large blobs go through it. `make test-memory` runs it; it takes too long,
// and too much of a disk, to stand among the other tests.
package memory_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/teststore"
	"github.com/registryd/registryd/test/node"
)

const mib = 1 << 20

// TestDirectory: 2 GiB come and go through a node that keeps its data in a directory.
func TestDirectory(t *testing.T) {
	n := start(t, "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="+t.TempDir())
	d := n.docker(t, 1, 2048*mib)
	n.weighs(t, "2 GiB pushed as docker does", 150*mib)
	n.containerd(t, 1, 2048*mib, d)
	n.weighs(t, "2 GiB pushed as containerd does", 150*mib)
	n.pull(t, "docker", d)
	n.weighs(t, "2 GiB pulled", 150*mib)
}

// TestBucketPushes: 32 clients push 64 MiB each, at once, to a node that keeps its data in a bucket.
func TestBucketPushes(t *testing.T) {
	store := teststore.MinIO(t)
	n := start(t, node.Bucket(store, store.Endpoint)...)
	for round := range 3 { // what the first one leaves behind must not add up
		begun := time.Now()
		var group errgroup.Group
		for i := range 32 {
			group.Go(func() error { _, err := n.tryDocker(t.Context(), byte(32*round+i), 64*mib); return err })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		t.Logf("32 pushes of 64 MiB took %.1fs", time.Since(begun).Seconds())
		n.weighs(t, "32 x 64 MiB pushed at once", 400*mib)
	}
}

// TestBucketPull: 1 GiB comes out of a bucket, by a node that has done nothing else.
func TestBucketPull(t *testing.T) {
	store := teststore.MinIO(t)
	first := start(t, node.Bucket(store, store.Endpoint)...)
	d := first.docker(t, 1, 1024*mib)
	first.weighs(t, "1 GiB pushed", 400*mib)
	first.Kill()
	n := start(t, node.Bucket(store, store.Endpoint)...)
	n.pull(t, "docker", d)
	n.weighs(t, "1 GiB pulled", 100*mib)
}

// weighed is a node, and a client of it.
type weighed struct{ *node.Node }

func start(t *testing.T, env ...string) *weighed {
	t.Helper()
	program, err := node.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(program, env...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	return &weighed{n}
}

// weighs fails when the node ever had more than limit bytes resident.
func (n *weighed) weighs(t *testing.T, what string, limit int64) {
	t.Helper()
	peak, err := n.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-32s peak %s, limit %s", what, humanize.IBytes(uint64(peak)), humanize.IBytes(uint64(limit)))
	if peak > limit {
		t.Errorf("%s: %s of memory, more than %s", what, humanize.IBytes(uint64(peak)), humanize.IBytes(uint64(limit)))
	}
}

// content gives the bytes that follow from seed, without holding them.
func content(seed byte, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
}

func (n *weighed) docker(t *testing.T, seed byte, size int64) digest.Digest {
	t.Helper()
	d, err := n.tryDocker(t.Context(), seed, size)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tryDocker pushes with one PATCH, whose length is not known ahead, and gives the digest of what it sent.
func (n *weighed) tryDocker(ctx context.Context, seed byte, size int64) (digest.Digest, error) {
	location, err := send(ctx, http.MethodPost, n.URL+"/v2/docker/blobs/uploads/", nil, -1, http.StatusAccepted)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if location, err = send(ctx, http.MethodPatch, location, io.TeeReader(content(seed, size), sum), -1, http.StatusAccepted); err != nil {
		return "", err
	}
	d := digest.NewDigest(digest.SHA256, sum)
	_, err = send(ctx, http.MethodPut, location+"?digest="+d.String(), nil, 0, http.StatusCreated)
	return d, err
}

// containerd pushes with one PUT.
func (n *weighed) containerd(t *testing.T, seed byte, size int64, d digest.Digest) {
	t.Helper()
	location, err := send(t.Context(), http.MethodPost, n.URL+"/v2/containerd/blobs/uploads/", nil, -1, http.StatusAccepted)
	if err == nil {
		_, err = send(t.Context(), http.MethodPut, location+"?digest="+d.String(), content(seed, size), size, http.StatusCreated)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func send(ctx context.Context, method, target string, body io.Reader, length int64, want int) (location string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return "", err
	}
	if body != nil {
		request.ContentLength = length
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(response.Body)
	if response.StatusCode != want {
		return "", fmt.Errorf("%s: %s: %s", method, response.Status, said)
	}
	at, err := response.Location()
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

func (n *weighed) pull(t *testing.T, repo string, d digest.Digest) {
	t.Helper()
	response, err := http.Get(n.URL + "/v2/" + repo + "/blobs/" + d.String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, response.Body); err != nil {
		t.Fatal(err)
	}
	if got := digest.NewDigest(digest.SHA256, sum); got != d {
		t.Errorf("the bytes of %s have the digest %s", d, got)
	}
}
