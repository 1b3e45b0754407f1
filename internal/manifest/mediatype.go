package manifest

import (
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of manifests.
const (
	MediaTypeOCIImage      = v1.MediaTypeImageManifest
	MediaTypeOCIIndex      = v1.MediaTypeImageIndex
	MediaTypeOCIArtifact   = "application/vnd.oci.artifact.manifest.v1+json" // of image-spec 1.1.0-rc1, deprecated
	MediaTypeDocker        = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList    = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	MediaTypeSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// Layers that clients may leave where they came from, for want of the right to distribute them.
const (
	ociForeignLayers   = "application/vnd.oci.image.layer.nondistributable.v1."
	dockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// mediaTypeSchema1Layer is what CNCF Distribution calls the layers of schema 1, which do not say what they are.
const mediaTypeSchema1Layer = "application/vnd.docker.container.image.rootfs.diff+x-gtar"

const giveMediaType = "give the manifest's media type in the Content-Type header or in its mediaType field"

// settleMediaType decides what the document is, by the header it came with and by what it says itself.
func settleMediaType(header string, top object) (string, error) {
	header, _, _ = strings.Cut(header, ";")
	header = strings.Trim(header, " \t")
	if known, ok := knownIgnoringCase(header); ok {
		header = known
	}
	own, err := top.text("mediaType")
	if err != nil {
		return "", err
	}
	if header == "" || strings.EqualFold(header, "application/json") {
		if own == "" && top.number("schemaVersion") == "1" {
			own = MediaTypeSchema1Signed
		}
		if own == "" {
			return "", invalid("the manifest's media type is unknown: %s", giveMediaType)
		}
		header = own
	}
	if own != "" && own != header {
		return "", invalid("the manifest's mediaType field says %s and the Content-Type header %s: make them the same", quote(own), quote(header))
	}
	if !wellFormed(header) {
		return "", invalid("%s is not a media type for a manifest: use one of the form application/<name>", quote(header))
	}
	return header, nil
}

func isSchema1(mediaType string) bool {
	return mediaType == MediaTypeSchema1 || mediaType == MediaTypeSchema1Signed
}

// wellFormed tells whether s is application/<name> by RFC 6838, section 4.2. Manifests are served under the type they came with, and a
// browser must never be made to show one as a page, as text/html would.
func wellFormed(s string) bool {
	name, ok := strings.CutPrefix(s, "application/")
	if !ok || name == "" || len(name) > 127 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || !strings.Contains("!#$&-^_.+", string(rune(c)))) {
			return false
		}
	}
	return true
}

// DetectMediaType tells what content is that was stored without its media type, as CNCF Distribution does: by its mediaType field, else by its
// shape. It gives "" if that does not tell either. What is no media type for a manifest is passed over, since nobody looked at it when it was stored.
func DetectMediaType(content []byte) string {
	top, err := readDocument(content)
	if err != nil {
		return ""
	}
	own, err := top.text("mediaType")
	if err != nil {
		return ""
	}
	if wellFormed(own) {
		return own
	}
	switch {
	case top.has("fsLayers") && top.has("signatures"):
		return MediaTypeSchema1Signed
	case top.has("fsLayers"):
		return MediaTypeSchema1
	case top.has("manifests") && !top.has("config") && !top.has("layers"):
		return MediaTypeOCIIndex
	case top.has("config") && top.has("layers") && !top.has("manifests"):
		return MediaTypeOCIImage
	}
	return ""
}
