package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Pushers and their pace: two cores carry the whole cluster and all clients.
const (
	rawWorkers = 4
	rawPause   = 100 * time.Millisecond
	rawLayer   = 4 << 20 // bytes at most
)

// raw fails if any request of any worker does.
func raw(ctx context.Context, registry, acks string, atLeast time.Duration) error {
	file, err := openAcks(acks)
	if err != nil {
		return err
	}
	enough := time.Now().Add(atLeast)
	over := func() bool { return ctx.Err() != nil && time.Now().After(enough) }
	var requests, images atomic.Int64
	var mu sync.Mutex
	var failures []error
	var workers sync.WaitGroup
	for w := range rawWorkers {
		workers.Go(func() {
			p := &pusher{client: client{addr: registry, once: w%2 == 1}, requests: &requests, acks: file}
			pause := time.NewTicker(rawPause)
			defer pause.Stop()
			for i := 0; !over(); i++ {
				// The context that ends the run must not end a request.
				if err := p.image(context.WithoutCancel(ctx), fmt.Sprintf("raw/w%d", w), fmt.Sprintf("i%d", i)); err != nil {
					mu.Lock()
					failures = append(failures, fmt.Errorf("%s %w", time.Now().Format(time.TimeOnly), err))
					mu.Unlock()
				} else {
					images.Add(1)
				}
				<-pause.C
			}
		})
	}
	workers.Wait()
	fmt.Printf("%d images, %d requests, %d failed\n", images.Load(), requests.Load(), len(failures))
	return errors.Join(failures...)
}

// pusher counts what it sends.
type pusher struct {
	client
	requests *atomic.Int64
	acks     *ackFile
}

func (p *pusher) send(ctx context.Context, want int, method, target string, body []byte, header ...string) (answer, error) {
	p.requests.Add(1)
	return p.client.send(ctx, want, method, target, body, header...)
}

// image pushes an image, its layer in two pieces, then pulls it.
func (p *pusher) image(ctx context.Context, repository, tag string) error {
	layer := make([]byte, 2+mathrand.IntN(rawLayer-1))
	rand.Read(layer)
	config, manifest, err := image(digest.FromBytes(layer), int64(len(layer)), repository+":"+tag+" "+rand.Text())
	if err != nil {
		return err
	}
	base, octets := "/v2/"+repository, "application/octet-stream"
	a, err := p.send(ctx, 202, "POST", base+"/blobs/uploads/", nil)
	for _, piece := range [][]byte{layer[:len(layer)/2], layer[len(layer)/2:]} {
		if err == nil {
			a, err = p.send(ctx, 202, "PATCH", a.header.Get("Location"), piece, "Content-Type", octets)
		}
	}
	if err == nil {
		_, err = p.send(ctx, 201, "PUT", with(a.header.Get("Location"), "digest="+digest.FromBytes(layer).String()), nil)
	}
	if err == nil {
		_, err = p.send(ctx, 201, "POST", base+"/blobs/uploads/?digest="+digest.FromBytes(config).String(), config, "Content-Type", octets)
	}
	if err == nil {
		_, err = p.send(ctx, 201, "PUT", base+"/manifests/"+tag, manifest, "Content-Type", v1.MediaTypeImageManifest)
	}
	if err == nil {
		err = p.acks.add(ack{repository, tag, digest.FromBytes(manifest).String()})
	}
	for target, content := range map[string][]byte{"/manifests/" + tag: manifest, "/blobs/" + digest.FromBytes(layer).String(): layer} {
		if err == nil {
			a, err = p.send(ctx, 200, "GET", base+target, nil)
		}
		if err == nil && !bytes.Equal(a.body, content) {
			err = fmt.Errorf("GET %s%s gives other bytes than were pushed", base, target)
		}
	}
	return err
}

// with adds a parameter to a Location.
func with(location, parameter string) string {
	if strings.Contains(location, "?") {
		return location + "&" + parameter
	}
	return location + "?" + parameter
}
