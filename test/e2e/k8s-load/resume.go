package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The uploads are slow enough that a node can be killed in their middle.
const (
	resumeUploads = 8
	resumeSize    = 48 << 20
	resumePace    = 250 * time.Millisecond // for each resumePiece bytes
	resumePiece   = 1 << 20
	resumeFor     = 2 * time.Minute // is how long a client tries to go on
)

// resume fails unless all uploads end well, and at least one was broken off and gone on with.
func resume(ctx context.Context, registry, acks string) error {
	file, err := openAcks(acks)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var all error
	broken, sentTwice := 0, int64(0)
	var uploads sync.WaitGroup
	for i := range resumeUploads {
		uploads.Go(func() {
			u := &slowUpload{client: client{addr: registry}, repository: fmt.Sprintf("resume/u%d", i), content: make([]byte, resumeSize)}
			rand.Read(u.content)
			err := u.run(ctx)
			if err == nil {
				err = u.tag(ctx, file)
			}
			mu.Lock()
			defer mu.Unlock()
			all = errors.Join(all, err)
			broken, sentTwice = broken+u.broken, sentTwice+u.lost
		})
	}
	uploads.Wait()
	fmt.Printf("%d uploads of %d MiB, %d times broken off and gone on with, %.1f MiB sent twice\n", resumeUploads, resumeSize>>20, broken, float64(sentTwice)/(1<<20))
	if all == nil && broken == 0 {
		all = fmt.Errorf("no upload was broken off, so that nothing is shown")
	}
	return all
}

// slowUpload is one blob, sent in one PATCH unless that breaks off.
type slowUpload struct {
	client
	repository string
	content    []byte
	location   string
	broken     int
	lost       int64 // bytes that were sent and that the registry did not keep
}

func (u *slowUpload) run(ctx context.Context) error {
	a, err := u.again(ctx, "POST", func() string { return "/v2/" + u.repository + "/blobs/uploads/" }, 202)
	if err != nil {
		return err
	}
	u.location = a.header.Get("Location")
	for offset := 0; offset < len(u.content); {
		body := &paced{rest: u.content[offset:]}
		a, err := u.do(ctx, "PATCH", u.location, body, int64(len(u.content)-offset),
			"Content-Type", "application/octet-stream", "Content-Range", fmt.Sprintf("%d-%d", offset, len(u.content)-1))
		if err == nil && a.status == 202 {
			u.location = a.header.Get("Location")
			break
		}
		u.broken++
		sent := offset + body.sent
		if offset, err = u.ask(ctx); err != nil {
			return err
		}
		u.lost += int64(max(sent-offset, 0))
	}
	_, err = u.again(ctx, "PUT", func() string { return with(u.location, "digest="+digest.FromBytes(u.content).String()) }, 201)
	return err
}

// ask finds out where the upload stands (OCI distribution spec, "Pushing a blob in chunks").
func (u *slowUpload) ask(ctx context.Context) (offset int, err error) {
	a, err := u.again(ctx, "GET", func() string { return u.location }, 204)
	if err != nil {
		return 0, err
	}
	u.location = a.header.Get("Location")
	_, last, ok := strings.Cut(a.header.Get("Range"), "-")
	if !ok {
		return 0, fmt.Errorf("the status of an upload has the Range %q", a.header.Get("Range"))
	}
	n, err := strconv.Atoi(last)
	if n == 0 {
		return 0, err // 0-0 is nothing
	}
	return n + 1, err
}

// again repeats a request that may be repeated, until it is answered as it should be.
func (u *slowUpload) again(ctx context.Context, method string, target func() string, want int) (a answer, err error) {
	pause := time.NewTicker(500 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(resumeFor); time.Now().Before(deadline); <-pause.C {
		if a, err = u.send(ctx, want, method, target(), nil); err == nil {
			return a, nil
		}
	}
	return a, err
}

// tag makes an image of the blob, by requests that may be repeated.
func (u *slowUpload) tag(ctx context.Context, acks *ackFile) error {
	config, manifest, err := image(digest.FromBytes(u.content), int64(len(u.content)), u.repository)
	if err != nil {
		return err
	}
	pause := time.NewTicker(500 * time.Millisecond)
	defer pause.Stop()
	for deadline := time.Now().Add(resumeFor); time.Now().Before(deadline); <-pause.C {
		if _, err = u.send(ctx, 201, "POST", "/v2/"+u.repository+"/blobs/uploads/?digest="+digest.FromBytes(config).String(), config); err != nil {
			continue
		}
		if _, err = u.send(ctx, 201, "PUT", "/v2/"+u.repository+"/manifests/v1", manifest, "Content-Type", v1.MediaTypeImageManifest); err == nil {
			return acks.add(ack{u.repository, "v1", digest.FromBytes(manifest).String()})
		}
	}
	return err
}

// paced is read slowly.
type paced struct {
	rest []byte
	sent int
	pace *time.Ticker
	part io.Reader
}

func (p *paced) Read(to []byte) (int, error) {
	if p.pace == nil {
		p.pace = time.NewTicker(resumePace)
	}
	for {
		if p.part != nil {
			n, err := p.part.Read(to)
			if err == nil {
				p.sent += n
				return n, nil
			}
		}
		if len(p.rest) == 0 {
			p.pace.Stop()
			return 0, io.EOF
		}
		<-p.pace.C
		n := min(len(p.rest), resumePiece)
		p.part, p.rest = bytes.NewReader(p.rest[:n]), p.rest[n:]
	}
}
