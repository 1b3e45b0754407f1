package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// dockerPush pushes a blob as docker does: POST, one PATCH of a length that is not known ahead, PUT.
func dockerPush(registry string) func(context.Context, []byte, digest.Digest) error {
	client := &http.Client{Transport: &http.Transport{WriteBufferSize: 64 << 10}}
	send := func(ctx context.Context, method, target string, body io.Reader, want int) (location *url.URL, err error) {
		request, err := http.NewRequestWithContext(ctx, method, target, body)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		said, _ := io.ReadAll(response.Body)
		if response.StatusCode != want {
			return nil, fmt.Errorf("%s: %s: %s", method, response.Status, said)
		}
		return response.Location()
	}
	return func(ctx context.Context, blob []byte, d digest.Digest) error {
		location, err := send(ctx, http.MethodPost, registry+"/v2/bench/image/blobs/uploads/", nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		stream := struct{ io.Reader }{bytes.NewReader(blob)} // of which net/http knows no length
		if location, err = send(ctx, http.MethodPatch, location.String(), stream, http.StatusAccepted); err != nil {
			return err
		}
		query := location.Query()
		query.Set("digest", d.String())
		location.RawQuery = query.Encode()
		_, err = send(ctx, http.MethodPut, location.String(), nil, http.StatusCreated)
		return err
	}
}
