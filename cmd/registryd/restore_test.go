package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// restoring is a node as a client sees it.
type restoring struct {
	*testing.T
	url string
}

func (r restoring) do(method, path string, content []byte, mediaType string) (*http.Response, []byte) {
	r.Helper()
	if !strings.HasPrefix(path, "http") {
		path = r.url + path
	}
	req, err := http.NewRequestWithContext(r.Context(), method, path, bytes.NewReader(content))
	if err != nil {
		r.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp, got
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// push does what docker does: a blob that a HEAD finds is not sent.
func (r restoring) push(manifest []byte, blobs ...[]byte) (sent int) {
	r.Helper()
	for _, blob := range blobs {
		d := digestOf(blob)
		if resp, _ := r.do(http.MethodHead, "/v2/some/app/blobs/"+d, nil, ""); resp.StatusCode == http.StatusOK {
			continue
		}
		sent++
		if resp, body := r.do(http.MethodPost, "/v2/some/app/blobs/uploads/?digest="+d, blob, ""); resp.StatusCode != http.StatusCreated {
			r.Fatalf("a blob: %s, %s", resp.Status, body)
		}
	}
	if resp, body := r.do(http.MethodPut, "/v2/some/app/manifests/v1", manifest, "application/vnd.oci.image.manifest.v1+json"); resp.StatusCode != http.StatusCreated {
		r.Fatalf("the manifest: %s, %s", resp.Status, body)
	}
	return sent
}

// pulls says whether the image can be pulled.
func (r restoring) pulls(manifest []byte, blobs ...[]byte) bool {
	r.Helper()
	if resp, got := r.do(http.MethodGet, "/v2/some/app/manifests/v1", nil, ""); resp.StatusCode != http.StatusOK || !bytes.Equal(got, manifest) {
		return false
	}
	for _, blob := range blobs {
		if resp, got := r.do(http.MethodGet, "/v2/some/app/blobs/"+digestOf(blob), nil, ""); resp.StatusCode != http.StatusOK || !bytes.Equal(got, blob) {
			return false
		}
	}
	return true
}

// "To restore" in docs/operations.md, step by step, with a backup that lacks the bytes of a blob.
func TestRestore(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	config, layer, other := []byte("{}"), bytes.Repeat([]byte("layer"), 100_000), bytes.Repeat([]byte("other"), 100_000)
	describe := func(kind string, b []byte) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":%q,"size":%d}`, kind, digestOf(b), len(b))
	}
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + describe("config.v1+json", config) +
		`,"layers":[` + describe("layer.v1.tar", layer) + "," + describe("layer.v1.tar", other) + `]}`)
	serve := func() (restoring, func()) {
		n, stop := start(t, quietEnv, append([]string{"serve"}, quiet(data)...)...)
		return restoring{t, "http://" + n.addr}, func() { stop() }
	}
	fsck := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, quietEnv, append([]string{"fsck", "--data", data}, args...)...)
		if code != want {
			t.Errorf("fsck %q: exit %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout + stderr
	}

	r, stop := serve()
	if sent := r.push(manifest, config, layer, other); sent != 3 || !r.pulls(manifest, config, layer, other) {
		t.Fatalf("%d blobs were sent", sent)
	}
	stop()
	err := filepath.WalkDir(filepath.Join(data, "docker/registry/v2/data"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if content, readErr := os.ReadFile(path); readErr == nil && bytes.Equal(content, layer) {
				return os.Remove(path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// 2
	for _, out := range []string{fsck(exitError), fsck(exitError, "--repair")} {
		for _, part := range []string{"is missing", "some/app/_layers/sha256/" + digestOf(layer)[7:], "some/app/_manifests/revisions/sha256/" + digestOf(manifest)[7:], "--repair"} {
			if !strings.Contains(out, part) {
				t.Errorf("it does not say %q:\n%s", part, out)
			}
		}
		if strings.Contains(out, digestOf(other)[7:]) {
			t.Errorf("it speaks of a blob that is there:\n%s", out)
		}
	}
	// 3 and 4
	r, stop = serve()
	if r.pulls(manifest, layer) {
		t.Error("nothing was lost")
	}
	if sent := r.push(manifest, config, layer, other); sent != 1 {
		t.Errorf("%d blobs were sent, want the one that was lost", sent)
	}
	if !r.pulls(manifest, config, layer, other) {
		t.Error("the image cannot be pulled")
	}
	stop()
	// 5
	fsck(exitOK, "--deep")
}
