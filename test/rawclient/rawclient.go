// Package rawclient asks nodes, for tests that look at each answer as it comes: nothing is tried again, and no answer is an error.
package rawclient

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Patience is how long a client waits for an answer, far above what a node takes to give up on anything, also on a machine that has a lot else to do.
const Patience = 2 * time.Minute

// New makes a client that keeps so many idle connections to each node, for as long as the test runs.
func New(t testing.TB, idle int) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: idle}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: Patience}
}

// Answer is one that was read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send sends a request and reads its answer. The body of a PUT is called an image manifest, which the upload of a blob does not mind. With an error the
// answer is what came of it.
func Send(ctx context.Context, client *http.Client, method, target string, body []byte) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if method == http.MethodPut {
		request.Header.Set("Content-Type", v1.MediaTypeImageManifest)
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, content}, err
}
