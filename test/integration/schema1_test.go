package integration_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/manifest"
)

var schema1 = func(s *setup) { s.storage.Rules.Schema1 = true }

// signingKeys are eight keys of all types that may sign, made once: RSA takes its time.
var signingKeys = sync.OnceValue(func() (keys []crypto.PrivateKey) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521(), elliptic.P256(), elliptic.P256()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	for range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
})

// payloadOf is what is signed of an image of schema 1.
func payloadOf(name, tag string, layers ...string) []byte {
	fsLayers, history := []any{}, []any{}
	for _, layer := range layers {
		fsLayers = append(fsLayers, object{"blobSum": layer})
		history = append(history, object{"v1Compatibility": `{"id":"` + layer + `"}`})
	}
	content, err := json.MarshalIndent(object{
		"schemaVersion": 1, "name": name, "tag": tag, "architecture": "amd64", "fsLayers": fsLayers, "history": history,
	}, "", "   ")
	if err != nil {
		panic(err)
	}
	return content
}

// sign adds signatures to a payload, or to what has some already.
func (r *registry) sign(content []byte, keys ...crypto.PrivateKey) []byte {
	r.Helper()
	for _, key := range keys {
		var err error
		if content, err = manifest.Sign(content, key); err != nil {
			r.Fatal(err)
		}
	}
	return content
}

// pushLayer pushes one and gives its digest as a manifest has it.
func (r *registry) pushLayer(name, content string) string {
	r.Helper()
	return r.pushBlob(name, []byte(content)).String()
}

func (r *registry) putSigned(name, ref string, content []byte) *answer {
	r.Helper()
	return r.put(name, ref, manifest.MediaTypeSchema1Signed, content)
}

// servesSigned checks that a manifest is served with as many signatures, all of which verify over the payload, and gives it.
func (r *registry) servesSigned(name, ref string, payload []byte, signatures int) []byte {
	r.Helper()
	target := "/v2/" + name + "/manifests/" + ref
	var last *answer
	for _, accept := range []string{"", manifest.MediaTypeSchema1Signed, manifest.MediaTypeSchema1, manifest.MediaTypeOCIImage} {
		get := r.do(http.MethodGet, target, header("Accept", accept)).want(http.StatusOK)
		get.has("Docker-Content-Digest", sha256(payload).String()).has("Content-Type", manifest.MediaTypeSchema1Signed)
		get.has("ETag", `"`+sha256(get.body).String()+`"`)
		head := r.do(http.MethodHead, target, header("Accept", accept)).want(http.StatusOK).has("ETag", get.header.Get("ETag"))
		if get.length != int64(len(get.body)) || head.length != get.length {
			r.Fatalf("%s: lengths %d and %d of %d bytes", target, get.length, head.length, len(get.body))
		}
		if last != nil {
			get.is(last.body)
		}
		last = get
	}
	got, all, err := manifest.Verify(last.body, 1000)
	if err != nil || !bytes.Equal(got, payload) || len(all) != signatures {
		r.Fatalf("%s: %d signatures, want %d, %v, of %s", target, len(all), signatures, err, got)
	}
	return last.body
}

func TestSchema1(t *testing.T) {
	each(t, func(r *registry) {
		keys := signingKeys()
		one, two := r.pushLayer("a/b", "one"), r.pushLayer("a/b", "two")
		payload := payloadOf("a/b", "v1", one, two, one)
		d := sha256(payload).String()
		first := r.sign(payload, keys[0])
		for i, mediaType := range []string{manifest.MediaTypeSchema1Signed, manifest.MediaTypeSchema1, "application/json", ""} {
			r.put("a/b", "v1", mediaType, first).want(http.StatusCreated).has("Docker-Content-Digest", d).has("Location", "/v2/a/b/manifests/"+d)
			if got := r.servesSigned("a/b", "v1", payload, 1); i == 0 && !bytes.Equal(got, first) {
				r.Errorf("it was pushed as\n%s\nand is served as\n%s", first, got)
			}
		}
		r.servesSigned("a/b", d, payload, 1)

		etag := r.do(http.MethodGet, "/v2/a/b/manifests/v1").header.Get("ETag")
		r.do(http.MethodGet, "/v2/a/b/manifests/v1", header("If-None-Match", etag)).want(http.StatusNotModified)
		other := r.beside(schema1, remember)
		other.putSigned("a/b", d, other.sign(payload, keys[1])).want(http.StatusCreated)
		r.do(http.MethodGet, "/v2/a/b/manifests/v1", header("If-None-Match", etag)).want(http.StatusOK)
		both := r.servesSigned("a/b", "v1", payload, 2)
		for range 2 { // the second time it is remembered
			if got := other.servesSigned("a/b", d, payload, 2); !bytes.Equal(got, both) {
				r.Errorf("one node serves\n%s\nand another\n%s", both, got)
			}
		}
		other.putSigned("a/b", "v1", other.sign(both, keys[3])).want(http.StatusCreated) // merged by the client
		other.servesSigned("a/b", "v1", payload, 3)
		r.servesSigned("a/b", d, payload, 3)

		r.do(http.MethodDelete, "/v2/a/b/manifests/"+d).want(http.StatusAccepted)
		r.lacksManifest("a/b", "v1")
		r.lacksManifest("a/b", d)
		r.putSigned("a/b", "v1", first).want(http.StatusCreated)
		r.servesSigned("a/b", "v1", payload, 1) // without what was signed before
		r.putSigned("a/b", "v1", both).want(http.StatusCreated)
		r.servesSigned("a/b", "v1", payload, 2)
		r.sound()
	}, schema1)
}

// remember gives a node a memory.
var remember = func(s *setup) { s.storage.CacheBytes = 1 << 20 }

// TestSchema1Refused: all that is wrong is told at once, and nothing is stored.
func TestSchema1Refused(t *testing.T) {
	each(t, func(r *registry) {
		keys := signingKeys()
		layer := r.pushLayer("a", "layer")
		missing, gone := sha256([]byte("missing")).String(), sha256([]byte("gone")).String()
		payload := payloadOf("a", "v1", layer)
		good := string(r.sign(payload, keys[0]))
		two := string(r.sign([]byte(good), keys[2]))
		block := good[strings.Index(good, `"signatures": [`)+len(`"signatures": [`) : strings.LastIndex(good, "]")]
		sig := strings.Index(good, `"signature": "`) + len(`"signature": "`)
		flipped := func(s string, at int) string {
			c := byte('A')
			if s[at] == c {
				c = 'B'
			}
			return s[:at] + string(c) + s[at+1:]
		}
		elsewhere := string(r.sign(payloadOf("b", "v2", layer, missing, gone), keys[0]))
		const unverified, invalid, badName, badTag, unknown = "MANIFEST_UNVERIFIED", "MANIFEST_INVALID", "NAME_INVALID", "TAG_INVALID", "MANIFEST_BLOB_UNKNOWN"
		for _, c := range []struct {
			name, content string
			codes         []string
		}{
			{"not signed", string(payload), []string{unverified}},
			{"signed by nobody", strings.Replace(good, block, "", 1), []string{unverified}},
			{"cut off", good[:len(good)-40], []string{invalid}},
			{"a signature cut off", good[:sig+20] + good[sig+22:], []string{unverified}},
			{"a signature with a flipped bit", flipped(good, sig+10), []string{unverified}},
			{"indented anew", strings.ReplaceAll(good, "\n   ", "\n    "), []string{unverified}},
			{"changed", strings.Replace(good, "amd64", "arm64", 1), []string{unverified}},
			{"signed twice by one signature", strings.Replace(good, block, block+","+block, 1), []string{invalid}},
			{"one of two with a flipped bit", flipped(two, strings.LastIndex(two, `"signature": "`)+len(`"signature": "`)+10), []string{unverified}},
			{"another repository", string(r.sign(payloadOf("b", "v1", layer), keys[0])), []string{badName}},
			{"another tag", string(r.sign(payloadOf("a", "v2", layer), keys[0])), []string{badTag}},
			{"layers that are missing", string(r.sign(payloadOf("a", "v1", missing, layer, gone, missing), keys[0])), []string{unknown, unknown}},
			{"a TarSum where none are taken", string(r.sign(payloadOf("a", "v1", emptyTarSum), keys[0])), []string{invalid}},
			{"all at once", flipped(elsewhere, strings.Index(elsewhere, `"signature": "`)+len(`"signature": "`)+10), []string{unverified, badName, badTag, unknown, unknown}},
		} {
			r.run(c.name, func(r *registry) {
				r.untouched(func() {
					status := http.StatusBadRequest
					if c.codes[0] == unknown {
						status = http.StatusNotFound
					}
					items := r.putSigned("a", "v1", []byte(c.content)).fails(status, c.codes...)
					for i, want := range []string{missing, gone} {
						if last := items[max(len(items)-2+i, 0)]; last.Code == unknown && last.Detail["digest"] != want {
							r.Errorf("the detail is %v, want %s", last.Detail, want)
						}
					}
				})
				r.lacksManifest("a", "v1")
			})
		}
		r.untouched(func() {
			r.putSigned("a", sha256([]byte(good)).String(), []byte(good)).fails(http.StatusBadRequest, "DIGEST_INVALID") // it is that of the payload
			r.putSigned("a", digest.FromString("x").String(), []byte(elsewhere)).fails(http.StatusBadRequest, "DIGEST_INVALID", badName, unknown, unknown)
		})
		r.putSigned("a", sha256(payload).String(), []byte(good)).want(http.StatusCreated)
		r.putSigned("a", sha512(payload).String(), []byte(good)).want(http.StatusCreated).has("Docker-Content-Digest", sha512(payload).String())
		r.untouched(func() { // of what stands there, nothing changes either
			r.putSigned("a", "v1", []byte(flipped(two, strings.LastIndex(two, `"signature": "`)+len(`"signature": "`)+10))).fails(http.StatusBadRequest, unverified)
		})
		r.servesSigned("a", sha256(payload).String(), payload, 1)
		r.sound()
	}, schema1)
}

// TestSchema1Disabled: what was stored is served, to whatever node.
func TestSchema1Disabled(t *testing.T) {
	each(t, func(r *registry) {
		payload := payloadOf("a", "v1", r.pushLayer("a", "layer"))
		signed := r.sign(payload, signingKeys()[0])
		r.untouched(func() {
			item := r.putSigned("a", "v1", signed).fails(http.StatusBadRequest, "MANIFEST_INVALID")[0]
			if !strings.Contains(item.Message, "schema 1 is not accepted") {
				r.Errorf("the reason is %q", item.Message)
			}
		})
		r.beside(schema1).putSigned("a", "v1", signed).want(http.StatusCreated)
		r.servesSigned("a", "v1", payload, 1)
		r.untouched(func() { r.putSigned("a", "v1", signed).fails(http.StatusBadRequest, "MANIFEST_INVALID") })
	})
}

// TestSchema1Trusted: one of the signers has to be known.
func TestSchema1Trusted(t *testing.T) {
	each(t, func(r *registry) {
		keys := signingKeys()
		payload := payloadOf("a", "v1", r.pushLayer("a", "layer"))
		signed := r.sign(payload, keys[0])
		_, signatures, err := manifest.Verify(signed, 1)
		if err != nil {
			r.Fatal(err)
		}
		var block struct{ Header struct{ JWK json.RawMessage } }
		if err := json.Unmarshal(signatures[0].JSON, &block); err != nil {
			r.Fatal(err)
		}
		set, err := manifest.ParseKeySet(encode(object{"keys": []any{block.Header.JWK}}))
		if err != nil {
			r.Fatal(err)
		}
		node := r.beside(schema1, func(s *setup) { s.storage.Trusted = set })
		r.untouched(func() {
			node.putSigned("a", "v1", r.sign(payload, keys[1])).fails(http.StatusBadRequest, "MANIFEST_UNVERIFIED")
			node.putSigned("a", "v2", r.sign(payload, keys[1])).fails(http.StatusBadRequest, "MANIFEST_UNVERIFIED", "TAG_INVALID")
		})
		node.putSigned("a", "v1", r.sign(payload, keys[1], keys[0])).want(http.StatusCreated)
		node.servesSigned("a", "v1", payload, 2)
		node.putSigned("a", "v1", signed).want(http.StatusCreated)
	})
}

// TestSchema1Limit: signatures are kept up to a number, also those that come one after the other. A deletion makes room for as many.
func TestSchema1Limit(t *testing.T) {
	each(t, func(r *registry) {
		const limit = 5
		node := r.beside(schema1, func(s *setup) { s.storage.Rules.Signers = limit })
		key := signingKeys()[0]
		payload := payloadOf("a", "v1", r.pushLayer("a", "layer"))
		d := sha256(payload).String()
		first := node.sign(payload, key)
		for i := range limit {
			ref, signed := "v1", first
			if i%2 == 1 {
				ref = d
			}
			if i > 0 {
				signed = node.sign(payload, key) // each signature is another one
			}
			node.putSigned("a", ref, signed).want(http.StatusCreated)
			node.servesSigned("a", "v1", payload, i+1)
		}
		for _, ref := range []string{"v1", d} {
			r.untouched(func() {
				node.putSigned("a", ref, node.sign(payload, key)).fails(http.StatusBadRequest, "MANIFEST_INVALID")
			})
		}
		node.putSigned("a", "v1", first).want(http.StatusCreated) // nothing new in it
		node.do(http.MethodDelete, "/v2/a/manifests/"+d).want(http.StatusAccepted)
		node.lacksManifest("a", "v1")
		for i := range limit { // the signatures from before the deletion neither count nor come back, unless they are pushed again
			signed := first
			if i > 0 {
				signed = node.sign(payload, key)
			}
			node.putSigned("a", "v1", signed).want(http.StatusCreated)
			node.servesSigned("a", "v1", payload, i+1)
		}
		node.putSigned("a", "v1", node.sign(payload, key)).fails(http.StatusBadRequest, "MANIFEST_INVALID")
		r.sound()
	})
}

// TestSchema1Damaged: a signature that does not verify is not served, and fsck tells of it.
func TestSchema1Damaged(t *testing.T) {
	t.Parallel()
	r := start(t, drivertest.NewFake(t).AllowOverwrite(), schema1)
	keys := signingKeys()
	payload := payloadOf("a", "v1", r.pushLayer("a", "layer"))
	r.putSigned("a", "v1", r.sign(payload, keys[0], keys[1])).want(http.StatusCreated)
	r.servesSigned("a", "v1", payload, 2)
	for key := range r.keys() {
		if strings.HasSuffix(key, "/jws") {
			r.overwrite(key, []byte(`{"header":{}}`))
			break
		}
	}
	r.servesSigned("a", "v1", payload, 1)
	if n := r.damage(); n != 1 {
		t.Errorf("fsck finds %d times damage", n)
	}
}
