//go:build stores

// Package legacy_test opens stores that CNCF Distribution wrote: the real one, run over a folder and over a bucket.
package legacy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// client speaks to a registry, CNCF Distribution or registryd.
type client struct {
	testing.TB
	url     string
	handler http.Handler // asked instead, without a connection in between, where there is one
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; the target is a path or a whole URL.
func (c client) do(method, target, mediaType string, body []byte) answer {
	c.Helper()
	a, err := c.try(method, target, mediaType, body)
	if err != nil {
		c.Fatal(err)
	}
	return a
}

// try is do for other goroutines than the test's.
func (c client) try(method, target, mediaType string, body []byte) (answer, error) {
	if strings.HasPrefix(target, "/") {
		target = c.url + target
	}
	req, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	if method == http.MethodGet || method == http.MethodHead {
		req.Header["Accept"] = accepted
	}
	if c.handler != nil {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, req)
		return answer{w.Code, w.Header(), w.Body.Bytes()}, nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, content}, err
}

func (c client) want(status int, method, target, mediaType string, body []byte) answer {
	c.Helper()
	a := c.do(method, target, mediaType, body)
	if a.status != status {
		c.Fatalf("%s %s: status %d, want %d: %.300s", method, target, a.status, status, a.body)
	}
	return a
}

// pushBlob pushes in one PATCH, as docker does.
func (c client) pushBlob(repo string, content []byte, algorithm digest.Algorithm) digest.Digest {
	c.Helper()
	d := algorithm.FromBytes(content)
	location := c.want(http.StatusAccepted, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "", nil).header.Get("Location")
	if len(content) > 0 {
		location = c.want(http.StatusAccepted, http.MethodPatch, c.absolute(location), "application/octet-stream", content).header.Get("Location")
	}
	u, err := url.Parse(c.absolute(location))
	if err != nil {
		c.Fatal(err)
	}
	query := u.Query()
	query.Set("digest", d.String())
	u.RawQuery = query.Encode()
	c.want(http.StatusCreated, http.MethodPut, u.String(), "", nil)
	return d
}

func (c client) absolute(location string) string {
	if strings.HasPrefix(location, "/") {
		return c.url + location
	}
	return location
}

func (c client) putManifest(repo, ref, mediaType string, content []byte) {
	c.Helper()
	c.want(http.StatusCreated, http.MethodPut, "/v2/"+repo+"/manifests/"+ref, mediaType, content)
}

// list reads a paged list to its end.
func (c client) list(path, field string, n int) (all []string) {
	c.Helper()
	next := fmt.Sprintf("%s?n=%d", path, n)
	for next != "" {
		a := c.want(http.StatusOK, http.MethodGet, next, "", nil)
		var page map[string]json.RawMessage
		var part []string
		if err := json.Unmarshal(a.body, &page); err != nil {
			c.Fatal(err)
		}
		if err := json.Unmarshal(page[field], &part); err != nil {
			c.Fatal(err)
		}
		if len(part) > n {
			c.Fatalf("%s: %d entries on a page of %d", path, len(part), n)
		}
		all = append(all, part...)
		next = ""
		if link := a.header.Get("Link"); link != "" {
			next = strings.TrimPrefix(link[1:strings.Index(link, ">")], c.url)
		}
	}
	return all
}
