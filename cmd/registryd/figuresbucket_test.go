//go:build stores

package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/registryd/registryd/internal/teststore"
)

// TestFiguresOfABucket: an upload that stands still holds memory, and gives it back when it goes on to its end.
func TestFiguresOfABucket(t *testing.T) {
	t.Parallel()
	store := teststore.MinIO(t)
	n, _ := start(t, append([]string{
		"REGISTRY_STORAGE_S3_BUCKET=" + store.Bucket, "REGISTRY_STORAGE_S3_REGION=" + teststore.Region, "REGISTRY_STORAGE_S3_REGIONENDPOINT=" + store.Endpoint,
		"REGISTRY_STORAGE_S3_FORCEPATHSTYLE=true", "REGISTRY_STORAGE_S3_ACCESSKEY=" + teststore.AccessKey, "REGISTRY_STORAGE_S3_SECRETKEY=" + teststore.SecretKey,
		"REGISTRY_HTTP_SECRET=a secret of thirty-two characters", "REGISTRY_UPLOADS_MEMORY=64MiB",
	}, quietEnv...), "--addr", "127.0.0.1:0")
	const bytes, limit = "registryd_uploads_memory_bytes", 64 << 20
	n.comesTo(t, bytes, func(v float64) bool { return v == 0 })
	if got := n.figures(t)["registryd_uploads_memory_limit_bytes"]; got != limit {
		t.Errorf("the limit is %v, want %d", got, limit)
	}

	begun, err := http.Post("http://"+n.addr+"/v2/some/app/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Body.Close()
	location, err := begun.Location()
	if err != nil {
		t.Fatalf("%s: %v", begun.Status, err)
	}
	body, send := io.Pipe()
	patch, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, location.String(), body)
	if err != nil {
		t.Fatal(err)
	}
	patched := make(chan string, 1)
	go func() {
		resp, err := http.DefaultClient.Do(patch)
		if err != nil {
			patched <- err.Error()
			return
		}
		defer resp.Body.Close()
		patched <- resp.Status
	}()
	if _, err := io.WriteString(send, strings.Repeat("0123456789abcdef", 3<<20/16)); err != nil {
		t.Fatal(err)
	}
	n.comesTo(t, bytes, func(v float64) bool { return v >= 3<<20 && v <= limit })
	send.Close()
	if status := <-patched; status != "202 Accepted" {
		t.Errorf("the upload: %s", status)
	}
	n.comesTo(t, bytes, func(v float64) bool { return v == 0 })
}
