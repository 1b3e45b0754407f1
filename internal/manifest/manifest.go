// Package manifest reads manifests: what they are, what they refer to, and whether they are well-formed. It does no I/O, and it never writes one
// anew: the bytes that a client sent are what is stored, hashed and served. To those of Docker schema 1 it adds signatures (Assemble), and leaves what
// was signed as it is.
//
// Reading is strict wherever two readers of the same bytes could see two different manifests (CVE-2021-41190): of the keys that matter, each may
// stand in an object once, in the very spelling of the specs (encoding/json alone would take "Manifests" for "manifests", and the last of two);
// what belongs to an image may not stand in an index, nor the other way round; and a manifest that names its own media type is of that type only.
package manifest

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Limits on the shape of a manifest. Its length is for the caller to limit.
const (
	MaxDescriptors = 20_000 // in all lists together
	MaxDepth       = 100    // objects and lists in one another
)

// UnknownSize is the size of the layers of a Docker schema 1 manifest, which gives none.
const UnknownSize = -1

// Descriptor points to content. Those in a Manifest have a media type, a digest of a supported algorithm and a size of at least 0, or UnknownSize if
// the manifest is of Docker schema 1.
type Descriptor = v1.Descriptor

// Manifest is what the registry needs to know of a manifest of any kind. It is read-only.
type Manifest struct {
	MediaType    string            // under which it is stored and served, without parameters
	ArtifactType string            // as the referrers API gives it: that of an image without one is the media type of its config
	Annotations  map[string]string // nil if there are none

	// Payload is what is hashed and stored: the content as it came, and for Docker schema 1 the very bytes that were signed.
	Payload []byte

	// Subject is what the manifest refers to, if anything. It need not exist.
	Subject *Descriptor

	// Blobs are the config and the layers, in their order, each digest once. They must exist in the repository.
	Blobs []Descriptor

	// Foreign are layers that may be kept elsewhere, each digest once and none that Blobs has. They may exist in the repository.
	Foreign []Descriptor

	// Manifests are the children of an index, in their order, also those that stand in it more than once (for several platforms). Their media
	// types may be any: some builders keep blobs in an index. See Known.
	Manifests []Descriptor

	// Schema1 is what only Docker schema 1 has, nil for all other kinds.
	Schema1 *Schema1
}

// Rules say what is taken beyond what everybody may push. The zero value takes every kind but Docker schema 1.
type Rules struct {
	Schema1 bool // take Docker schema 1, if it is signed and every signature verifies
	TarSums bool // take TarSums for the layers of schema 1
	Signers int  // how many signatures a manifest may have, DefaultSigners if 0
}

// Parse is that of the zero Rules.
func Parse(mediaType string, content []byte) (*Manifest, error) {
	return Rules{}.Parse(mediaType, content)
}

// Parse reads a manifest that is pushed. mediaType is the Content-Type it came with; parameters are ignored. If that says nothing of the kind (it is
// empty, or application/json), the manifest must name its media type itself, or be of schema 1, which never does: guessing it from the shape is for
// content that others have stored (DetectMediaType), and CNCF Distribution refuses such a push too.
//
// All that is wrong with it stands in the error: see Problems. A Manifest comes along with an error only if it is one of schema 1 that could be read
// in part, so that the caller can report in one go what else is wrong (CheckFor, layers that are missing). It must not be stored.
func (r Rules) Parse(mediaType string, content []byte) (*Manifest, error) {
	top, mediaType, err := open(mediaType, content)
	switch {
	case err != nil:
		return nil, err
	case !isSchema1(mediaType):
		return readKind(mediaType, top, content)
	case !r.Schema1:
		return nil, invalid("Docker schema 1 is not accepted: push the image as Docker schema 2 or OCI")
	}
	return r.readSigned(top, content)
}

// ParseStored reads what was stored as the Payload of a manifest: Docker schema 1 without its signatures. If there are some in it all the same, as
// others may have stored it, they are not looked at.
func ParseStored(mediaType string, content []byte) (*Manifest, error) {
	top, mediaType, err := open(mediaType, content)
	switch {
	case err != nil:
		return nil, err
	case !isSchema1(mediaType):
		return readKind(mediaType, top, content)
	}
	m, problems := readSchema1(content, true)
	if problems.list != nil {
		return nil, problems.err()
	}
	return m, nil
}

// open reads the outermost object of a manifest and decides on its media type.
func open(mediaType string, content []byte) (top object, settled string, err error) {
	if top, err = readDocument(content); err != nil {
		return nil, "", err
	}
	settled, err = settleMediaType(mediaType, top)
	return top, settled, err
}

// readKind reads a manifest of any kind but schema 1.
func readKind(mediaType string, top object, content []byte) (*Manifest, error) {
	k := kindOf(mediaType)
	if err := k.check(top); err != nil {
		return nil, err
	}
	m, err := k.read(mediaType, top)
	if err != nil {
		return nil, err
	}
	m.Payload = content
	return m, nil
}
