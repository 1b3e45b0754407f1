//go:build stores

package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// client does what the OCI distribution spec says, and no more: it tries again what it is told to try again, asks an upload for its status and goes on
// from there, or starts it over. It speaks to a node drawn anew for each request, as behind a load balancer.
type client struct {
	http   *http.Client
	nodes  []string
	random *rand.Rand
	seen   *tally
}

// patience is how often a client begins anew, or tries a single request, before it calls that a failure. A client that is left alone with an outage, which
// lasts for so many requests, has to wear it down by itself, at both nodes; and as long as their drivers have used up what they may try again, one of its
// tries is one request.
const patience = 5 * outage

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// errWrong is an answer that the registry must not give.
type errWrong struct{ error }

// errAgain is an answer that tells to come back, or a connection that broke.
var errAgain = errors.New("try again")

// part is the body of a request.
type part struct {
	content  []byte
	start    int64 // where it stands in the blob
	ranged   bool  // say so
	streamed bool  // do not say how long it is
}

// do sends one request. Answers that are neither in want nor a 503 are wrong.
func (c *client) do(ctx context.Context, method, target string, p *part, want ...int) (*answer, error) {
	var body io.Reader
	if p != nil {
		body = bytes.NewReader(p.content)
		if p.streamed {
			body = struct{ io.Reader }{body}
		}
	}
	if strings.HasPrefix(target, "/") {
		target = c.nodes[c.random.IntN(len(c.nodes))] + target
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if p != nil && p.ranged && len(p.content) > 0 {
		request.Header.Set("Content-Range", fmt.Sprintf("%d-%d", p.start, p.start+int64(len(p.content))-1))
	}
	if p != nil && method == http.MethodPut && strings.Contains(target, "/manifests/") {
		request.Header.Set("Content-Type", manifestType)
	}
	if p != nil && method == http.MethodGet {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.start))
		request.Body = nil
	}
	return c.judge(request, want)
}

func (c *client) judge(request *http.Request, want []int) (*answer, error) {
	what := request.Method + " " + kindOf(request.URL.Path)
	response, err := c.http.Do(request)
	if err != nil {
		if request.Context().Err() != nil {
			return nil, err
		}
		c.seen.count(what + " cut off")
		return nil, errAgain
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	if err != nil {
		c.seen.count(what + " body cut off")
		return a, errAgain
	}
	c.seen.count(what + " " + strconv.Itoa(a.status))
	for _, status := range want {
		if a.status == status {
			return a, nil
		}
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); a.status == http.StatusServiceUnavailable && err == nil && seconds > 0 {
		return nil, errAgain
	}
	return nil, errWrong{fmt.Errorf("%s: %s, Retry-After %q: %.500s", what, response.Status, a.header.Get("Retry-After"), a.body)}
}

// kindOf leaves names, digests and tokens out.
func kindOf(path string) string {
	for _, kind := range []string{"/blobs/uploads/", "/blobs/", "/manifests/"} {
		if strings.Contains(path, kind) {
			return strings.Trim(kind, "/")
		}
	}
	return path
}

// insist sends a request until it is answered.
func (c *client) insist(ctx context.Context, method, target string, p *part, want ...int) (*answer, error) {
	for range patience {
		a, err := c.do(ctx, method, target, p, want...)
		if !errors.Is(err, errAgain) {
			return a, err
		}
		c.rest()
	}
	return nil, fmt.Errorf("%s %s: no answer but to come back", method, kindOf(target))
}

// rest is short: a Retry-After is in seconds, of which the test has few.
func (c *client) rest() {
	c.seen.count("retries")
	<-time.After(time.Duration(5+c.random.IntN(40)) * time.Millisecond)
}

// code is the first code of an answer in the form of the spec.
func (a *answer) code() string {
	var document struct{ Errors []struct{ Code string } }
	if json.Unmarshal(a.body, &document) != nil || len(document.Errors) == 0 {
		return ""
	}
	return document.Errors[0].Code
}

// upload is where a client stands with one.
type upload struct {
	location string
	off      int64
}

var errRestart = errors.New("the upload is not known any more")

// stands reads Location and Range. Of an upload that has nothing the protocol cannot say so; no part that the test sends is a single byte.
func stands(a *answer) (upload, error) {
	location := a.header.Get("Location")
	first, last, ok := strings.Cut(a.header.Get("Range"), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if location == "" || !ok || first != "0" || err != nil {
		return upload{}, errWrong{fmt.Errorf("status %d with the Location %q and the Range %q", a.status, location, a.header.Get("Range"))}
	}
	if end > 0 {
		end++
	}
	return upload{location, end}, nil
}

// unknown makes errRestart of a 404.
func unknown(a *answer) error {
	if a.code() != "BLOB_UPLOAD_UNKNOWN" {
		return errWrong{fmt.Errorf("404 for an upload with the code %q", a.code())}
	}
	return errRestart
}

// status asks where an upload stands.
func (c *client) status(ctx context.Context, up upload) (upload, error) {
	a, err := c.insist(ctx, http.MethodGet, up.location, nil, http.StatusNoContent, http.StatusNotFound)
	if err != nil {
		return up, err
	}
	if a.status == http.StatusNotFound {
		return up, unknown(a)
	}
	return stands(a)
}

// send sends a part with PATCH, or the last one with PUT, and gives where the upload stands afterwards.
func (c *client) send(ctx context.Context, method string, up upload, p *part, d digest.Digest) (upload, bool, error) {
	target, want := up.location, http.StatusAccepted
	if method == http.MethodPut {
		target, want = up.location+"?digest="+url.QueryEscape(d.String()), http.StatusCreated
	}
	a, err := c.do(ctx, method, target, p, want, http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound)
	switch {
	case errors.Is(err, errAgain):
		c.rest()
		up, err = c.status(ctx, up)
		return up, false, err
	case err != nil:
		return up, false, err
	case a.status == http.StatusNotFound:
		return up, false, unknown(a)
	case a.status == http.StatusCreated:
		if got := a.header.Get("Docker-Content-Digest"); got != d.String() {
			return up, false, errWrong{fmt.Errorf("201 for %s names %s", d, got)}
		}
		return up, true, nil
	}
	now, err := stands(a)
	if sent := up.off + int64(len(p.content)); err == nil && a.status == http.StatusAccepted && now.off != sent {
		err = errWrong{fmt.Errorf("202 stands at %d, %d were sent", now.off, sent)}
	}
	return now, false, err
}

// style is how a client pushes.
type style struct {
	name     string
	patch    int  // bytes of a PATCH; 0 for none: the closing PUT has it all
	streamed bool // of a length that is not said ahead
	single   bool // one POST
}

var styles = []style{
	{name: "docker", patch: 1 << 30, streamed: true},
	{name: "containerd"},
	{name: "chunked", patch: 3<<20 + 1},
	{name: "small chunks", patch: 700_000},
	{name: "single POST", single: true},
}

// push pushes a blob until it is acknowledged.
func (c *client) push(ctx context.Context, repo string, blob []byte, how style) error {
	d := digest.FromBytes(blob)
	if how.single {
		_, err := c.insist(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/?digest="+url.QueryEscape(d.String()), &part{content: blob}, http.StatusCreated)
		return err
	}
	for range patience {
		a, err := c.insist(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		up, err := stands(a)
		if err != nil {
			return err
		}
		if err = c.finish(ctx, up, blob, d, how); !errors.Is(err, errRestart) {
			return err
		}
		c.seen.count("uploads started over")
	}
	return errors.New("an upload was forgotten too often")
}

// finish goes on with an upload to its end.
func (c *client) finish(ctx context.Context, up upload, blob []byte, d digest.Digest, how style) error {
	for range patience + len(blob)/700_000 {
		if up.off > int64(len(blob)) {
			return errWrong{fmt.Errorf("the upload stands at %d of %d", up.off, len(blob))}
		}
		p, method := &part{content: blob[up.off:], start: up.off, ranged: up.off > 0, streamed: how.streamed}, http.MethodPut
		if how.patch > 0 && len(p.content) > 0 {
			method = http.MethodPatch
			p.content, p.ranged = p.content[:min(how.patch, len(p.content))], p.ranged || !how.streamed
		}
		var done bool
		var err error
		if up, done, err = c.send(ctx, method, up, p, d); done || err != nil {
			return err
		}
	}
	return errors.New("the upload makes no way")
}

// leave begins an upload and goes away; cancelled, it says so.
func (c *client) leave(ctx context.Context, repo string, blob []byte, how style, cancel bool) error {
	a, err := c.insist(ctx, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	up, err := stands(a)
	for err == nil && up.off < int64(len(blob))/2 {
		p := &part{content: blob[up.off:], start: up.off, ranged: true}
		p.content = p.content[:min(how.patch, (len(p.content)+1)/2)]
		up, _, err = c.send(ctx, http.MethodPatch, up, p, "")
	}
	if errors.Is(err, errRestart) {
		return nil
	}
	if err == nil && cancel {
		_, err = c.insist(ctx, http.MethodDelete, up.location, nil, http.StatusNoContent, http.StatusNotFound)
	}
	return err
}

// pull reads a blob to its end and compares the digest. What breaks off is gone on with by a range.
func (c *client) pull(ctx context.Context, repo string, d digest.Digest) error {
	var got []byte
	for range patience {
		p := &part{start: int64(len(got))}
		want := http.StatusPartialContent
		if len(got) == 0 {
			p, want = nil, http.StatusOK
		}
		a, err := c.do(ctx, http.MethodGet, "/v2/"+repo+"/blobs/"+d.String(), p, want)
		if a != nil && a.status == want { // also half of it is right as far as it goes
			got = append(got, a.body...)
		}
		if errors.Is(err, errAgain) {
			c.rest()
			continue
		}
		if err == nil && digest.FromBytes(got) != d {
			err = errWrong{fmt.Errorf("the bytes under %s have the digest %s", d, digest.FromBytes(got))}
		}
		return err
	}
	return fmt.Errorf("%s could not be read", d)
}

// tally counts what happened.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

func (t *tally) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]int{}
	}
	t.of[what]++
}
