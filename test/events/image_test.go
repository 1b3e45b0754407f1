//go:build stores

package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/test/rawclient"
)

// The blobs of every image here: what counts is the push of its manifest.
var (
	imageConfig = []byte(`{"architecture":"amd64","os":"linux"}`)
	imageLayer  = []byte("a layer that every image has")
)

// newClient makes a client that speaks to nodes past the proxy.
func newClient(t testing.TB) *http.Client { return rawclient.New(t, 64) }

// pushBlobs makes a repository ready for manifests.
func pushBlobs(t testing.TB, client *http.Client, node, repository string) {
	t.Helper()
	for _, content := range [][]byte{imageConfig, imageLayer} {
		a, err := rawclient.Send(t.Context(), client, http.MethodPost, node+"/v2/"+repository+"/blobs/uploads/", nil)
		if err != nil || a.Status != http.StatusAccepted {
			t.Fatalf("begin an upload: %v, %d: %s", err, a.Status, a.Body)
		}
		location, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a, err = rawclient.Send(t.Context(), client, http.MethodPut, node+location.EscapedPath()+"?digest="+digest.FromBytes(content).String(), content)
		if err != nil || a.Status != http.StatusCreated {
			t.Fatalf("push a blob: %v, %d: %s", err, a.Status, a.Body)
		}
	}
}

// manifest is unlike that of every other name.
func manifest(t testing.TB, name string) []byte {
	t.Helper()
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Annotations: map[string]string{"name": name}}
	m.SchemaVersion = 2
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(imageConfig), Size: int64(len(imageConfig))}
	m.Layers = []v1.Descriptor{{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromBytes(imageLayer), Size: int64(len(imageLayer))}}
	content, err := json.Marshal(m)
	if err != nil {
		t.Error(err)
	}
	return content
}

// pushManifest pushes the manifest of a name, under that as its tag or by its digest. It fails unless that is acknowledged, and says how long that took.
func pushManifest(t testing.TB, client *http.Client, node, repository, name string, byDigest bool) (time.Duration, error) {
	content, reference := manifest(t, name), name
	if byDigest {
		content = manifest(t, name+" by digest")
		reference = digest.FromBytes(content).String()
	}
	begun := time.Now()
	a, err := rawclient.Send(t.Context(), client, http.MethodPut, node+"/v2/"+repository+"/manifests/"+reference, content)
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("status %d: %.300s", a.Status, a.Body)
	}
	return time.Since(begun), err
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// eventually waits until something holds, or fails the test.
func eventually(t testing.TB, what string, within time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %v it does not hold that %s", within, what)
		}
	}
}

// endpoints is the part of the environment that has nodes tell these, each of which is the inside of a YAML map.
func endpoints(all ...string) string {
	list := ""
	for i, e := range all {
		if i > 0 {
			list += ", "
		}
		list += "{allowprivate: true, ignore: {actions: [pull, mount]}, ignoredmediatypes: [application/octet-stream], " + e + "}"
	}
	return "REGISTRY_NOTIFICATIONS_ENDPOINTS=[" + list + "]"
}
