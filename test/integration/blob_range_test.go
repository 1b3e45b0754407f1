package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// TestBlobRange reads parts of blobs (RFC 9110, section 14), of one that its pointer holds and of one with an object of its own.
func TestBlobRange(t *testing.T) {
	each(t, func(r *registry) {
		for _, size := range []int{2000, 200_000} {
			content := noise(size, 1)
			target := "/v2/a/blobs/" + r.pushBlob("a", content).String()
			for _, c := range []struct {
				header     string
				start, end int
			}{
				{"bytes=0-0", 0, 0},
				{"bytes=0-99", 0, 99},
				{"bytes=500-1499", 500, 1499},
				{"bytes=500-", 500, size - 1},
				{"bytes=-500", size - 500, size - 1},
				{fmt.Sprintf("bytes=%d-", size-1), size - 1, size - 1},
				{fmt.Sprintf("bytes=0-%d", size+5000), 0, size - 1},
				{fmt.Sprintf("bytes=-%d", size+5000), 0, size - 1},
				{"bytes= 5-9", 5, 9},
			} {
				r.run(fmt.Sprintf("%s of %d", c.header, size), func(r *registry) {
					a := r.do("GET", target, header("Range", c.header)).want(http.StatusPartialContent).is(content[c.start : c.end+1])
					a.has("Content-Range", fmt.Sprintf("bytes %d-%d/%d", c.start, c.end, size)).has("Docker-Content-Digest", sha256(content).String())
					if a.length != int64(c.end+1-c.start) {
						r.Errorf("Content-Length %d", a.length)
					}
					stat := r.do("HEAD", target, header("Range", c.header)).want(http.StatusOK)
					if stat.length != int64(size) {
						r.Errorf("Content-Length %d by HEAD, where ranges mean nothing", stat.length)
					}
				})
			}
			for _, bad := range []string{
				fmt.Sprintf("bytes=%d-", size), fmt.Sprintf("bytes=%d-%d", size+1, size+9), "bytes=9-5", "bytes=x-9", "5-9",
			} {
				r.run(fmt.Sprintf("%s of %d", bad, size), func(r *registry) {
					r.do("GET", target, header("Range", bad)).fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
				})
			}
			for _, ignored := range []string{"lines=1-2", "items=0-1", "bytes=0-0" + strings.Repeat(",0-0", 32)} {
				r.run(fmt.Sprintf("%s of %d", ignored, size), func(r *registry) {
					r.do("GET", target, header("Range", ignored)).want(http.StatusOK).is(content).lacks("Content-Range")
				})
			}
			r.do("GET", target, header("Range", fmt.Sprintf("bytes=%d-", size))).has("Content-Range", fmt.Sprintf("bytes */%d", size)).lacks("ETag")
		}
	})
}

// TestBlobRanges reads several parts at once.
func TestBlobRanges(t *testing.T) {
	each(t, func(r *registry) {
		for _, size := range []int{2000, 200_000} {
			content := noise(size, 1)
			d := r.pushBlob("a", content)
			a := r.do("GET", "/v2/a/blobs/"+d.String(), header("Range", "bytes=0-9,100-199,-10")).want(http.StatusPartialContent)
			mediaType, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
			if err != nil || mediaType != "multipart/byteranges" {
				r.Fatalf("Content-Type %q", a.header.Get("Content-Type"))
			}
			if a.length != int64(len(a.body)) {
				r.Errorf("Content-Length %d for %d bytes", a.length, len(a.body))
			}
			parts := multipart.NewReader(bytes.NewReader(a.body), params["boundary"])
			for _, want := range [][2]int{{0, 9}, {100, 199}, {size - 10, size - 1}} {
				part, err := parts.NextPart()
				if err != nil {
					r.Fatal(err)
				}
				got, err := io.ReadAll(part)
				if err != nil || !bytes.Equal(got, content[want[0]:want[1]+1]) {
					r.Errorf("part %v: %v, %d bytes", want, err, len(got))
				}
				if got, want := part.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", want[0], want[1], size); got != want {
					r.Errorf("Content-Range %q, want %q", got, want)
				}
				if got := part.Header.Get("Content-Type"); got != "application/octet-stream" {
					r.Errorf("Content-Type %q", got)
				}
			}
			if _, err := parts.NextPart(); err != io.EOF {
				r.Errorf("behind the last part: %v", err)
			}
			r.do("GET", "/v2/a/blobs/"+d.String(), header("Range", "bytes=0-9,9999999-")).want(http.StatusPartialContent).is(content[:10])
		}
	})
}

// TestBlobRangeOfNothing: there is no byte to ask for in an empty blob; it is given whole.
func TestBlobRangeOfNothing(t *testing.T) {
	each(t, func(r *registry) {
		d := r.pushBlob("a", nil)
		for _, span := range []string{"bytes=0-0", "bytes=0-", "bytes=-5", "bytes=5-9"} {
			r.do("GET", "/v2/a/blobs/"+d.String(), header("Range", span)).want(http.StatusOK).is(nil).lacks("Content-Range")
		}
	})
}
