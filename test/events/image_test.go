//go:build stores

package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// answerTime is how long a client waits, far above what a node takes to give up on anything.
const answerTime = 20 * time.Second

// The blobs of every image here: what counts is the push of its manifest.
var (
	imageConfig = []byte(`{"architecture":"amd64","os":"linux"}`)
	imageLayer  = []byte("a layer that every image has")
)

// newClient makes a client that speaks to nodes past the proxy.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: answerTime}
}

// answer has been read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func send(ctx context.Context, client *http.Client, method, target string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodPut {
		request.Header.Set("Content-Type", v1.MediaTypeImageManifest)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, content}, err
}

// pushBlobs makes a repository ready for manifests.
func pushBlobs(t testing.TB, client *http.Client, node, repository string) {
	t.Helper()
	for _, content := range [][]byte{imageConfig, imageLayer} {
		a, err := send(t.Context(), client, http.MethodPost, node+"/v2/"+repository+"/blobs/uploads/", nil)
		if err != nil || a.status != http.StatusAccepted {
			t.Fatalf("begin an upload: %v, %d: %s", err, a.status, a.body)
		}
		location, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a, err = send(t.Context(), client, http.MethodPut, node+location.EscapedPath()+"?digest="+digest.FromBytes(content).String(), content)
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("push a blob: %v, %d: %s", err, a.status, a.body)
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
	a, err := send(t.Context(), client, http.MethodPut, node+"/v2/"+repository+"/manifests/"+reference, content)
	if err == nil && a.status != http.StatusCreated {
		err = fmt.Errorf("status %d: %.300s", a.status, a.body)
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
