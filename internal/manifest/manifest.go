// Package manifest reads manifests: what they are, what they refer to, and whether they are well-formed. It does no I/O, and it never writes
// one: the bytes that a client sent are what is stored, hashed and served.
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

// Descriptor points to content. Those in a Manifest have a media type, a size of at least 0 and a digest of a supported algorithm.
type Descriptor = v1.Descriptor

// Manifest is what the registry needs to know of a manifest. It is read-only.
type Manifest struct {
	MediaType    string            // under which it is stored and served, without parameters
	ArtifactType string            // as the referrers API gives it: that of an image without one is the media type of its config
	Annotations  map[string]string // nil if there are none

	// Subject is what the manifest refers to, if anything. It need not exist.
	Subject *Descriptor

	// Blobs are the config and the layers, in their order, each digest once. They must exist in the repository.
	Blobs []Descriptor

	// Foreign are layers that may be kept elsewhere, each digest once and none that Blobs has. They may exist in the repository.
	Foreign []Descriptor

	// Manifests are the children of an index, in their order, also those that stand in it more than once (for several platforms). Their media
	// types may be any: some builders keep blobs in an index. See Known.
	Manifests []Descriptor
}

// Error says what is wrong with a manifest.
type Error struct {
	Reason string // a plain sentence that says what to do, fit for a client
}

func (e *Error) Error() string { return "invalid manifest: " + e.Reason }

// Parse reads a manifest. mediaType is the Content-Type it came with; parameters are ignored. If that says nothing of the kind (it is empty, or
// application/json), the manifest must name its media type itself: guessing it from the shape is for content that others have stored
// (DetectMediaType), and CNCF Distribution refuses such a push too. All errors are of type *Error.
func Parse(mediaType string, content []byte) (*Manifest, error) {
	top, err := readDocument(content)
	if err != nil {
		return nil, err
	}
	mediaType, err = settleMediaType(mediaType, top)
	if err != nil {
		return nil, err
	}
	k := kindOf(mediaType)
	if err := k.check(top); err != nil {
		return nil, err
	}
	return k.read(mediaType, top)
}
