package integration_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/uploadtoken"
)

// TestToken refuses every Location that is not one of its own, with every method, in one and the same way.
func TestToken(t *testing.T) {
	carried(t, func(r *registry) {
		location := r.do("PATCH", r.begin("mine"), body("some bytes")).want(http.StatusAccepted).location()
		token := location[strings.LastIndexByte(location, '/')+1:]
		stranger, err := uploadtoken.NewHMAC([]uploadtoken.Key{uploadtoken.KeyFromSecret("another secret")}, nil)
		if err != nil {
			r.Fatal(err)
		}
		forged, err := stranger.Issue(context.Background(), uploadtoken.Upload{Repository: "mine", ID: "1", Expires: time.Now().Add(time.Hour)})
		if err != nil {
			r.Fatal(err)
		}
		flipped := []byte(token)
		flipped[len(flipped)/2] ^= 1
		for name, target := range map[string]string{
			"of another repository": "/v2/other/blobs/uploads/" + token,
			"of another secret":     "/v2/mine/blobs/uploads/" + forged,
			"with a bit flipped":    "/v2/mine/blobs/uploads/" + string(flipped),
			"cut short":             "/v2/mine/blobs/uploads/" + token[:len(token)-1],
			"too long":              "/v2/mine/blobs/uploads/" + token + "A",
			"far too long":          "/v2/mine/blobs/uploads/" + strings.Repeat("A", 3000),
			"padded":                "/v2/mine/blobs/uploads/" + token + "=",
			"with a line break":     "/v2/mine/blobs/uploads/" + token + "%0A",
			"with a zero":           "/v2/mine/blobs/uploads/" + token + "%00",
			"a UUID":                "/v2/mine/blobs/uploads/6b3c9a93-af5d-473f-a4cb-9710022185cd",
		} {
			for _, method := range []string{"GET", "HEAD", "PATCH", "PUT", "DELETE"} {
				r.run(method+" "+name, func(r *registry) {
					r.untouched(func() {
						r.do(method, closing(target, sha256([]byte("some bytes")))).fails(http.StatusNotFound, codesFor(method, "BLOB_UPLOAD_UNKNOWN")...)
					})
				})
			}
		}
		r.do("PUT", closing(location, sha256([]byte("some bytes")))).want(http.StatusCreated)
	})
}

// codesFor is no code for a HEAD, which has no body.
func codesFor(method, code string) []string {
	if method == http.MethodHead {
		return nil
	}
	return []string{code}
}

// TestTokenExpires ends an upload that took too long.
func TestTokenExpires(t *testing.T) {
	now := time.Now()
	carried(t, func(r *registry) {
		location := r.do("PATCH", r.begin("a"), body("some bytes")).want(http.StatusAccepted).location()
		r.do("GET", location).want(http.StatusNoContent)
		later := r.beside(func(s *setup) { s.storage.Now = func() time.Time { return now.Add(13 * time.Hour) } })
		later.do("GET", location).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	}, func(s *setup) { s.storage.Now = func() time.Time { return now } })
}

// longStates makes sessions of a driver too long for a token, so that each is left to a checkpoint.
type longStates struct{ drivers.Driver }

const padding = 1000

func pad(s drivers.Session) drivers.Session {
	if s.Key != "" {
		s.State = append(make([]byte, padding), s.State...)
	}
	return s
}

func unpad(s drivers.Session) drivers.Session {
	if s.Key != "" {
		s.State = s.State[padding:]
	}
	return s
}

func (d longStates) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	if watcher, ok := src.(drivers.Watcher); ok {
		src = paddedSource{src, watcher}
	}
	next, err := d.Driver.Append(ctx, unpad(s), fresh, src, func(s drivers.Session) error { return saved(pad(s)) })
	return pad(next), err
}

// paddedSource pads what it is told of.
type paddedSource struct {
	drivers.Source
	watcher drivers.Watcher
}

func (p paddedSource) Reached(s drivers.Session) { p.watcher.Reached(pad(s)) }

func (d longStates) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	return d.Driver.Commit(ctx, unpad(s))
}

func (d longStates) Abort(ctx context.Context, s drivers.Session) error {
	return d.Driver.Abort(ctx, unpad(s))
}

// TestLongStates uploads to a store whose sessions are too long for a token.
func TestLongStates(t *testing.T) {
	carried(t, func(r *registry) {
		content := noise(300_000, 1)
		first := r.do("PATCH", r.begin("a"), body(content[:100_000])).want(http.StatusAccepted).location()
		if len(first) > 1100 {
			r.Errorf("a Location of %d bytes", len(first))
		}
		second := r.do("PATCH", first, body(content[100_000:200_000])).want(http.StatusAccepted).location()
		r.do("PATCH", first, body("something else")).fails(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID")
		r.do("GET", first).want(http.StatusNoContent).has("Range", "0-199999")
		for range 2 {
			r.do("PUT", closing(second, sha256(content)), body(content[200_000:])).want(http.StatusCreated)
		}
		r.holds("a", sha256(content), content)

		cancelled := r.do("PATCH", r.begin("a"), body(content)).want(http.StatusAccepted).location()
		r.do("DELETE", cancelled).want(http.StatusNoContent)
		r.do("PUT", closing(cancelled, sha256(content))).fails(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	}, func(s *setup) { s.driver = func(d drivers.Driver) drivers.Driver { return longStates{d} } })
}
