package manifest

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/registryd/registryd/internal/reference"
)

// Docker's image manifest version 2, schema 1, is what Docker before 1.10 pushed, and what skopeo makes with --format v2s1. It names its own repository
// and tag, and it is signed: the signatures stand in the document that they sign, as its last member. jws.go tells how. It is stored without them,
// and its digest is that of its payload, so that many can sign one manifest.
//
// It comes as +prettyjws, as +json, as application/json or without a type: CNCF Distribution 2 took it as any of these, and always wanted signatures.
// It goes out as +prettyjws.

// Schema1 is what Docker schema 1 says and no other kind does.
type Schema1 struct {
	Name, Tag    string // as they stand there: CheckFor compares them
	Architecture string
	TarSums      []reference.TarSum // layers that are called by one, each once; the others are the Blobs of the manifest
	Signatures   []Signature        // all of them verified; none if the manifest was read by ParseStored
}

// schema1Keys are the members of schema 1 that matter, besides topKeys.
var schema1Keys = slices.Concat(topKeys, []string{"name", "tag", "architecture", "history"})

// schema1Refuses are members of other kinds, that a careless reader would take it for.
var schema1Refuses = []string{"config", "layers", "blobs", "manifests"}

// CheckFor tells what is wrong with pushing m to a repository by a tag: Docker schema 1 names both. The tag is empty if m is pushed by its digest. The
// error is nil for all other kinds.
func CheckFor(m *Manifest, name reference.Name, tag reference.Tag) error {
	if m.Schema1 == nil {
		return nil
	}
	var found problems
	if m.Schema1.Name != string(name) {
		found.add(CodeName, "the manifest names the repository %s, but it was pushed to %s: push it where it belongs, or sign it anew",
			quote(m.Schema1.Name), quote(string(name)))
	}
	if tag != "" && m.Schema1.Tag != string(tag) {
		found.add(CodeTag, "the manifest names the tag %s, but it was pushed as %s: push it as what it is, or sign it anew",
			quote(m.Schema1.Tag), quote(string(tag)))
	}
	return found.err()
}

// readSigned reads a signed manifest. It gives a manifest along with an error if the payload at least could be read.
func (r Rules) readSigned(top object, content []byte) (*Manifest, error) {
	limit := r.Signers
	if limit == 0 {
		limit = DefaultSigners
	}
	payload, signatures, found := verify(top, content, limit)
	m, more := readSchema1(payload, r.TarSums)
	found.list = append(found.list, more.list...)
	if found.list != nil {
		return m, found.err()
	}
	m.Schema1.Signatures = signatures
	return m, nil
}

// readSchema1 reads the payload of a manifest; tarSums tells whether a layer may be called by one. The manifest is nil if it is not even an object.
func readSchema1(payload []byte, tarSums bool) (*Manifest, problems) {
	var found problems
	document, err := outermost(payload)
	top := object{}
	if err == nil {
		err = top.read(document, place{}, schema1Keys)
	}
	if err != nil {
		found.take("", err)
		return nil, found
	}
	m := &Manifest{MediaType: MediaTypeSchema1Signed, Payload: payload, Schema1: &Schema1{}}
	if top.number("schemaVersion") != "1" {
		found.add(CodeInvalid, "the manifest's schemaVersion is not 1: set it to 1, or push with the right media type")
	}
	for _, field := range schema1Refuses {
		if top.has(field) {
			found.add(CodeInvalid, "%q does not belong into a manifest of Docker schema 1: remove it or push with the right media type", field)
		}
	}
	for _, field := range []struct {
		key  string
		to   *string
		code Code
	}{{"name", &m.Schema1.Name, CodeName}, {"tag", &m.Schema1.Tag, CodeTag}, {"architecture", &m.Schema1.Architecture, CodeInvalid}} {
		if *field.to, err = top.text(field.key); err != nil {
			found.add(field.code, "%q is not a string: make it one", field.key)
		}
	}
	m.readLayers(top, tarSums, &found)
	readHistory(top, &found)
	return m, found
}

// readLayers reads the fsLayers: objects with a blobSum, the topmost layer first.
func (m *Manifest) readLayers(top object, tarSums bool, found *problems) {
	if top.null("fsLayers") || top["fsLayers"][0] != '[' {
		found.add(CodeInvalid, `the manifest has no list "fsLayers": add it`)
		return
	}
	seen := map[string]bool{}
	i, members := 0, object{}
	for value := range elements(top["fsLayers"]) {
		if i == MaxDescriptors {
			found.add(CodeInvalid, "the manifest has more than %d layers: merge some", MaxDescriptors)
			return
		}
		at := place{key: "fsLayers", index: i, listed: true}
		i++
		if err := members.read(value, at, []string{"blobSum"}); err != nil {
			found.take("", err)
			continue
		}
		name, err := members.text("blobSum")
		if err != nil || name == "" {
			found.add(CodeInvalid, "%s has no blobSum: add it, as a string", at)
			continue
		}
		if seen[name] { // each layer that holds nothing is the same one
			continue
		}
		seen[name] = true
		if err := m.addLayer(name, tarSums); err != nil {
			found.add(CodeInvalid, "%s has a bad blobSum: %s", at, err)
		}
	}
}

func (m *Manifest) addLayer(name string, tarSums bool) error {
	if tarSums && strings.HasPrefix(name, "tarsum") {
		sum, err := reference.ParseTarSum(name)
		if err == nil {
			m.Schema1.TarSums = append(m.Schema1.TarSums, sum)
		}
		return err
	}
	var d digest.Digest
	d, err := reference.ParseDigest(name)
	if err == nil {
		m.Blobs = append(m.Blobs, Descriptor{MediaType: mediaTypeSchema1Layer, Digest: d, Size: UnknownSize})
	}
	return err
}

// readHistory checks that each layer has its history: clients build the config of the image of it, and do not look whether it is there.
func readHistory(top object, found *problems) {
	if top.null("history") || top["history"][0] != '[' {
		found.add(CodeInvalid, `the manifest has no list "history": add it`)
		return
	}
	count, members := 0, object{}
	for value := range elements(top["history"]) {
		at := place{key: "history", index: count, listed: true}
		count++
		if err := members.read(value, at, []string{"v1Compatibility"}); err != nil {
			found.take("", err)
		} else if text, err := members.text("v1Compatibility"); err != nil || text == "" {
			found.add(CodeInvalid, "%s has no v1Compatibility: add it, as a string", at)
		}
	}
	layers := 0
	if !top.null("fsLayers") && top["fsLayers"][0] == '[' {
		for range elements(top["fsLayers"]) {
			layers++
		}
		if layers != count {
			found.add(CodeInvalid, "the manifest has %d fsLayers but a history of %d: give each layer its history", layers, count)
		}
	}
}
