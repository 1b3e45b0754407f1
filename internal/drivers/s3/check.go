package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// Finding is one thing that Check tried.
type Finding struct {
	What string // what a store should be able to do
	Err  error  // why this one is not, in one sentence that says what to mend; nil when it is
}

// racers is how many creations of one key Check has under way at once.
const racers = 16

// tidyTime is how long Check takes for cleaning up, at most.
const tidyTime = 5 * time.Second

// Check tries what the driver relies on, under keys of its own that it removes again. It stops at the first failure that makes the rest meaningless.
func (d *Driver) Check(ctx context.Context, folder string) []Finding {
	folder = strings.TrimSuffix(folder, "/") + "/" + strings.ToLower(rand.Text())
	c := &checker{d: d, ctx: ctx, key: folder + "/object", race: folder + "/race"}
	for _, step := range []struct {
		what string
		try  func() error
		need bool // what follows makes no sense without it
	}{
		{"the bucket answers", c.answers, true},
		{"objects can be written", c.write, true},
		{"objects can be read back, whole and in ranges", c.read, false},
		{"objects can be listed", c.list, false},
		{"If-None-Match creates once", c.createOnce, false},
		{"If-None-Match creates once when 16 try at the same time", c.createRace, false},
		{"If-Match replaces only what it names", c.compareAndSwap, false},
		{"multipart uploads can be begun, filled and dropped", c.multipart, false},
		{"objects can be deleted", c.remove, false},
	} {
		err := step.try()
		c.findings = append(c.findings, Finding{step.what, err})
		if len(c.findings) == 1 && err == nil { // nothing was written before
			defer c.tidy()
		}
		if err != nil && (step.need || errors.Is(err, drivers.ErrUnavailable) && status(err) != http.StatusForbidden) {
			break
		}
	}
	return c.findings
}

type checker struct {
	d        *Driver
	ctx      context.Context
	key      string
	race     string
	etag     string
	findings []Finding
}

// tidy removes what is left, also when ctx is over, and not for long where the store hangs.
func (c *checker) tidy() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), tidyTime)
	defer cancel()
	_ = c.d.Delete(ctx, c.key, c.race)
}

var checkBody = []byte("registryd was here")

func (c *checker) put(key string, body []byte, cond drivers.Cond) error {
	info, err := c.d.Put(c.ctx, key, bytes.NewReader(body), cond)
	c.etag = info.ETag
	return err
}

func (c *checker) answers() error { return c.d.Reach(c.ctx) }

// Reach asks for the bucket, and says what to mend if it is not there.
func (d *Driver) Reach(ctx context.Context) error {
	err := d.Ping(ctx)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("the certificate of the store is not trusted, name its authority in storage.s3.cafile: %w", err)
	case status(err) == http.StatusForbidden:
		return fmt.Errorf("the store does not let these credentials in, check storage.s3.accesskey, secretkey and region: %w", err)
	case errors.Is(err, drivers.ErrUnavailable):
		return fmt.Errorf("the store does not answer, check storage.s3.regionendpoint and the network: %w", err)
	case errors.Is(err, drivers.ErrNotFound):
		return fmt.Errorf("there is no bucket %q, make it or correct storage.s3.bucket: %w", d.config.Bucket, err)
	}
	return err
}

func (c *checker) write() error {
	return allowed("s3:PutObject", c.put(c.key, checkBody, drivers.Cond{}))
}

func (c *checker) read() error {
	body, info, err := c.d.Open(c.ctx, c.key, 10, 3)
	if err != nil {
		return allowed("s3:GetObject", err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if string(got) != string(checkBody[10:13]) || info.Size != int64(len(checkBody)) {
		return errors.New("the store answers a range with other bytes, use another store")
	}
	return nil
}

func (c *checker) list() error {
	page, err := c.d.List(c.ctx, drivers.ListOptions{Prefix: c.key})
	if err != nil {
		return allowed("s3:ListBucket", err)
	}
	if len(page.Objects) != 1 || page.Objects[0].Key != c.key {
		return errors.New("the store does not list what was just written, use a store that is consistent")
	}
	return nil
}

func (c *checker) createOnce() error {
	err := c.put(c.key, []byte("other"), drivers.Cond{IfAbsent: true})
	if err == nil {
		return errors.New("the store ignores If-None-Match, so two nodes could overwrite each other: use a store with conditional writes")
	}
	if !errors.Is(err, drivers.ErrPrecondition) {
		return fmt.Errorf("the store does not know If-None-Match, use one with conditional writes: %w", err)
	}
	return nil
}

func (c *checker) createRace() error {
	var wait sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		wait.Go(func() {
			_, errs[i] = c.d.Put(c.ctx, c.race, strings.NewReader(fmt.Sprint("racer ", i)), drivers.Cond{IfAbsent: true})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, drivers.ErrPrecondition):
			return err
		}
	}
	if won != 1 {
		return fmt.Errorf("%d of %d writers were told that they alone had created an object, so nodes could overwrite each other: use a store with honest "+
			"conditional writes", won, racers)
	}
	return nil
}

func (c *checker) compareAndSwap() error {
	if err := c.put(c.key, []byte("one"), drivers.Cond{}); err != nil {
		return err
	}
	old := c.etag
	if err := c.put(c.key, []byte("two"), drivers.Cond{IfMatch: old}); err != nil {
		return fmt.Errorf("the store refuses an If-Match that holds, use one with conditional writes: %w", err)
	}
	if err := c.put(c.key, []byte("three"), drivers.Cond{IfMatch: old}); !errors.Is(err, drivers.ErrPrecondition) {
		return errors.New("the store ignores If-Match, so two nodes could overwrite each other: use a store with conditional writes")
	}
	return nil
}

func (c *checker) multipart() error {
	a := &appender{Driver: c.d, ctx: c.ctx, fresh: c.key}
	if err := a.create(); err != nil {
		return allowed("s3:PutObject", err)
	}
	abort := func() error { return c.d.abortMultipart(c.ctx, c.key, a.state.Upload) }
	b := &body{ctx: c.ctx, driver: c.d, blocks: [][]byte{checkBody}, size: int64(len(checkBody))}
	if _, err := c.d.uploadPart(c.ctx, c.key, a.state.Upload, 1, b); err != nil {
		return errors.Join(allowed("s3:PutObject", err), abort())
	}
	return allowed("s3:AbortMultipartUpload", abort())
}

func (c *checker) remove() error {
	if err := c.d.Delete(c.ctx, c.key, c.race); err != nil {
		return allowed("s3:DeleteObject", err)
	}
	if _, err := c.d.Stat(c.ctx, c.key); !errors.Is(err, drivers.ErrNotFound) {
		return errors.New("the store still has what was deleted, use a store that is consistent")
	}
	return nil
}

// allowed says which permission is missing.
func allowed(permission string, err error) error {
	if status(err) == http.StatusForbidden {
		var away *drivers.Unavailable
		if errors.As(err, &away) {
			err = away.Err // it does answer
		}
		return fmt.Errorf("the credentials lack %s, add it to their policy: %w", permission, err)
	}
	return err
}
