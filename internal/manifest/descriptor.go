package manifest

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/registryd/registryd/internal/reference"
)

var descriptorKeys = []string{"mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"}

// descriptors reads descriptors and counts them.
type descriptors struct {
	generic bool // ignore what does not look like a descriptor
	count   int
	members object // of the descriptor being read
}

// place names an object of a manifest in an error. The zero place is the manifest itself.
type place struct {
	key    string
	index  int
	listed bool
}

func (p place) String() string {
	switch {
	case p.listed:
		return fmt.Sprintf("%s[%d]", p.key, p.index)
	case p.key == "":
		return "the manifest"
	}
	return p.key
}

// one reads the descriptor at key, nil if there is none.
func (r *descriptors) one(o object, key string) (*Descriptor, error) {
	if o.null(key) || r.generic && !resembles(o[key]) {
		return nil, nil
	}
	d, err := r.read(o[key], place{key: key})
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// many reads the list of descriptors at key, nil if there is none.
func (r *descriptors) many(o object, key string) ([]Descriptor, error) {
	if o.null(key) {
		return nil, nil
	}
	if o[key][0] != '[' {
		if r.generic {
			return nil, nil
		}
		return nil, invalid("%q is not a list: make it one", key)
	}
	// One of them is enough to take the list for what it is called: a reference must not get lost because its neighbour is malformed.
	if r.generic && !anyResembles(elements(o[key])) {
		return nil, nil
	}
	var list []Descriptor
	for value := range elements(o[key]) {
		d, err := r.read(value, place{key: key, index: len(list), listed: true})
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// resembles tells whether a value looks like a descriptor, in any spelling.
func resembles(value json.RawMessage) bool {
	var d struct {
		Digest json.RawMessage `json:"digest"`
	}
	return json.Unmarshal(value, &d) == nil && d.Digest != nil
}

func anyResembles(values iter.Seq[json.RawMessage]) bool {
	for value := range values {
		if resembles(value) {
			return true
		}
	}
	return false
}

// read reads one descriptor (OCI image spec, "Content Descriptors"); what is its name in an error.
func (r *descriptors) read(value json.RawMessage, what fmt.Stringer) (d Descriptor, err error) {
	if r.count++; r.count > MaxDescriptors {
		return d, invalid("the manifest has more than %d descriptors: split it", MaxDescriptors)
	}
	o := r.members
	if err = o.read(value, what, descriptorKeys); err != nil {
		return d, err
	}
	if d.MediaType, err = o.text("mediaType"); err != nil || d.MediaType == "" {
		return d, invalid("%s has no mediaType: add it, as a string", what)
	}
	name, err := o.text("digest")
	if err != nil || name == "" {
		return d, invalid("%s has no digest: add it, as a string", what)
	}
	if d.Digest, err = reference.ParseDigest(name); err != nil {
		return d, invalid("%s has a bad digest: %s", what, err)
	}
	if o.null("size") {
		return d, invalid("%s has no size: add it, in bytes", what)
	}
	if d.Size, err = strconv.ParseInt(string(o["size"]), 10, 64); err != nil || d.Size < 0 {
		return d, invalid("%s has the size %s: make it a whole number of bytes, at least 0", what, quote(string(o["size"])))
	}
	return d, readOptional(&d, o, what)
}

// readOptional reads the members that a descriptor need not have.
func readOptional(d *Descriptor, o object, what fmt.Stringer) (err error) {
	if d.ArtifactType, err = o.text("artifactType"); err != nil {
		return invalid("%s has an artifactType that is not a string: make it one", what)
	}
	if d.Annotations, err = o.texts("annotations"); err != nil {
		return invalid("%s has annotations that are not an object of strings: make them one", what)
	}
	if !o.null("urls") && json.Unmarshal(o["urls"], &d.URLs) != nil {
		return invalid("%s has urls that are not a list of strings: make them one", what)
	}
	if !o.null("platform") && json.Unmarshal(o["platform"], &d.Platform) != nil {
		return invalid("%s has a platform that is malformed: see the OCI image spec", what)
	}
	if o.null("data") {
		return nil
	}
	if json.Unmarshal(o["data"], &d.Data) != nil {
		return invalid("%s has data that is not base64: encode it, or remove it", what)
	}
	if int64(len(d.Data)) != d.Size || d.Digest.Algorithm().FromBytes(d.Data) != d.Digest {
		return invalid("%s has data that is not of its digest and size: correct it, or remove it", what)
	}
	return nil
}

// foreign tells whether a layer may be kept elsewhere.
func foreign(d Descriptor) bool {
	return len(d.URLs) > 0 || d.MediaType == dockerForeignLayer || strings.HasPrefix(d.MediaType, ociForeignLayers)
}

// unique leaves each digest in Blobs and Foreign once.
func (m *Manifest) unique() error {
	sizes := make(map[string]int64, len(m.Blobs)+len(m.Foreign))
	for _, list := range []*[]Descriptor{&m.Blobs, &m.Foreign} {
		kept := (*list)[:0]
		for _, d := range *list {
			size, seen := sizes[string(d.Digest)]
			if seen && size != d.Size {
				return invalid("the manifest gives %s two sizes: correct one", d.Digest)
			}
			if !seen {
				sizes[string(d.Digest)] = d.Size
				kept = append(kept, d)
			}
		}
		*list = kept
	}
	return nil
}
