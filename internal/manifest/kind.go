package manifest

import (
	"slices"
	"strings"
)

// kind is one of the known sorts of manifest, or the generic one.
type kind struct {
	versioned bool     // schemaVersion must be 2
	named     bool     // its mediaType field must be there; Docker's own kinds always had it
	needs     []string // fields that must be there
	refuses   []string // fields of another kind, that a careless reader would take it for
	lists     []string // its descriptors, config first
	typed     bool     // config stands for the artifact type
	generic   bool     // fields that are no descriptors are the client's own business
}

var (
	image = kind{
		versioned: true, typed: true, needs: []string{"config"}, refuses: []string{"manifests", "fsLayers"}, lists: []string{"config", "layers"},
	}
	index = kind{
		versioned: true, needs: []string{"manifests"}, refuses: []string{"config", "layers", "fsLayers"}, lists: []string{"manifests"},
	}
	artifact = kind{
		named: true, refuses: []string{"config", "layers", "manifests", "fsLayers"}, lists: []string{"blobs"},
	}
	generic = kind{
		generic: true, lists: []string{"config", "layers", "blobs", "manifests"},
	}
)

var kinds = map[string]kind{
	MediaTypeOCIImage:    image,
	MediaTypeOCIIndex:    index,
	MediaTypeOCIArtifact: artifact,
	MediaTypeDocker:      docker(image),
	MediaTypeDockerList:  docker(index),
}

func docker(k kind) kind {
	k.named = true
	return k
}

// Known tells whether mediaType is that of a manifest that this package knows, schema 1 included. Content of another type may be a manifest
// (of the generic kind) or a blob: a descriptor alone does not tell.
func Known(mediaType string) bool {
	_, ok := kinds[mediaType]
	return ok || isSchema1(mediaType)
}

// knownIgnoringCase gives the usual spelling of the media type of a known kind; by RFC 6838, case means nothing in one.
func knownIgnoringCase(mediaType string) (string, bool) {
	lower := strings.ToLower(mediaType)
	return lower, Known(lower)
}

func kindOf(mediaType string) kind {
	if k, ok := kinds[mediaType]; ok {
		return k
	}
	return generic
}

// check holds the document against what its kind demands, its descriptors aside.
func (k kind) check(top object) error {
	if k.versioned && top.number("schemaVersion") != "2" {
		return invalid("the manifest's schemaVersion is not 2: set it to 2")
	}
	if k.named && !top.has("mediaType") {
		return invalid("the manifest has no mediaType field: add it, manifests of this kind always have one")
	}
	if k.generic && top.number("schemaVersion") == "1" && top.has("fsLayers") {
		// By another name it would have the digest of the signed one, and none of its signatures.
		return invalid("this is a manifest of Docker schema 1: push it signed, with its media type")
	}
	for _, field := range k.refuses {
		if top.has(field) {
			return invalid("%q does not belong into a manifest of this media type: remove it or push with the right media type", field)
		}
	}
	for _, field := range k.needs {
		if !top.has(field) {
			return invalid("the manifest has no %q, which a manifest of this media type must have: add it", field)
		}
	}
	return nil
}

// read takes what a Manifest holds from a document that passed check.
func (k kind) read(mediaType string, top object) (*Manifest, error) {
	m := &Manifest{MediaType: mediaType}
	var err error
	if m.ArtifactType, err = top.text("artifactType"); err != nil {
		return nil, err
	}
	if m.Annotations, err = top.texts("annotations"); err != nil {
		return nil, err
	}
	r := descriptors{generic: k.generic, members: object{}}
	if m.Subject, err = r.one(top, "subject"); err != nil {
		return nil, err
	}
	for _, field := range k.lists {
		if err := k.readList(m, &r, top, field); err != nil {
			return nil, err
		}
	}
	if err := m.unique(); err != nil {
		return nil, err
	}
	return m, nil
}

// readList adds the descriptors of one field to m.
func (k kind) readList(m *Manifest, r *descriptors, top object, field string) (err error) {
	switch field {
	case "config":
		config, err := r.one(top, field)
		if err != nil {
			return err
		}
		if config == nil {
			if slices.Contains(k.needs, field) {
				return invalid("the manifest's config is null: describe the config, or the empty one")
			}
			return nil
		}
		m.Blobs = append(m.Blobs, *config)
		if k.typed && m.ArtifactType == "" {
			m.ArtifactType = config.MediaType
		}
	case "manifests":
		m.Manifests, err = r.many(top, field)
		return err
	default:
		layers, err := r.many(top, field)
		if err != nil {
			return err
		}
		for _, d := range layers {
			if foreign(d) {
				m.Foreign = append(m.Foreign, d)
			} else {
				m.Blobs = append(m.Blobs, d)
			}
		}
	}
	return nil
}
