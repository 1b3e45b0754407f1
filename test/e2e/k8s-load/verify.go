package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// verify pulls each acknowledged image by its tag, and hashes the manifest and all it names. A tag that was pushed several times shows the last push.
func verify(ctx context.Context, registry, acks string) error {
	pushes, err := readAcks(acks)
	if err != nil {
		return err
	}
	last := make(map[string]ack)
	for _, push := range pushes {
		last[push.repository+":"+push.tag] = push
	}
	c := &client{addr: registry}
	var all error
	for _, push := range last {
		if err := check(ctx, c, push); err != nil {
			all = errors.Join(all, fmt.Errorf("%s:%s: %w", push.repository, push.tag, err))
		}
	}
	fmt.Printf("%d images\n", len(last))
	return all
}

func check(ctx context.Context, c *client, push ack) error {
	base := "/v2/" + push.repository
	accept := "application/vnd.docker.distribution.manifest.v2+json, " + v1.MediaTypeImageManifest
	a, err := c.send(ctx, 200, "GET", base+"/manifests/"+push.tag, nil, "Accept", accept)
	if err != nil {
		return err
	}
	if got := digest.FromBytes(a.body).String(); got != push.digest {
		return fmt.Errorf("the manifest is %s, %s was pushed", got, push.digest)
	}
	var m v1.Manifest
	if err := json.Unmarshal(a.body, &m); err != nil {
		return err
	}
	for _, d := range append(m.Layers, m.Config) {
		a, err := c.send(ctx, 200, "GET", base+"/blobs/"+d.Digest.String(), nil)
		if err != nil {
			return err
		}
		if got := digest.FromBytes(a.body); got != d.Digest || int64(len(a.body)) != d.Size {
			return fmt.Errorf("the blob %s has the bytes of %s", d.Digest, got)
		}
	}
	return nil
}
