package storage

import (
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

// keyKind is what a key in a repository is for.
type keyKind int

const (
	keyUnknown keyKind = iota
	keyLayer
	keyRevision
	keyMark
	keyReferrer
	keyTag
	keyCheckpoint
	keySignature
	keyTarSum
	keyOldTag    // where CNCF Distribution has a tag point
	keyOldOther  // something else of its, that registryd never reads
	keyOldUpload // of an upload that was under way

	keyOldSignature // the link of a signature, which is a blob
)

// repoKey is the key of something in a repository, taken apart.
type repoKey struct {
	kind    keyKind
	name    reference.Name
	digest  digest.Digest // of a layer, a revision, a referrer or a signature
	subject digest.Digest // of a referrer, or what a signature signs
	tag     reference.Tag
	upload  string
	tarSum  reference.TarSum
	signing string // of a signature; empty in the first life of what it signs
}

// parse is the inverse of repoKeys.
func (k keys) parse(key string) repoKey {
	unknown := repoKey{}
	rest, ok := strings.CutPrefix(key, k.repositoriesPrefix())
	if !ok {
		return unknown
	}
	before, after, ok := strings.Cut(rest, "/_") // the first underscore that begins a part: no name has one
	name, err := reference.ParseName(before)
	if !ok || err != nil {
		return unknown
	}
	p := strings.Split("_"+after, "/")
	at := repoKey{name: name}
	switch {
	case len(p) == 4 && p[0] == "_layers" && p[3] == "link":
		at.kind = keyLayer
		at.digest, err = digestOf(p[1], p[2])
	case len(p) == 6 && p[0] == "_layers" && p[1] == "tarsum" && p[5] == "link":
		at.kind = keyTarSum
		at.tarSum, err = tarSumOf(p[2]+"/"+p[3], p[4])
	case len(p) == 5 && p[0] == "_manifests" && p[1] == "revisions" && p[4] == "link":
		at.kind = keyRevision
		at.digest, err = digestOf(p[2], p[3])
	case len(p) == 6 && p[0] == "_manifests" && p[1] == "revisions" && p[4] == "tags":
		at.kind = keyMark
		if at.digest, err = digestOf(p[2], p[3]); err == nil {
			at.tag, err = reference.ParseTag(p[5])
		}
	case len(p) == 6 && p[0] == "_manifests" && p[1] == "referrers":
		at.kind = keyReferrer
		if at.subject, err = digestOf(p[2], p[3]); err == nil {
			at.digest, err = digestOf(p[4], p[5])
		}
	case len(p) == 8 && p[0] == "_manifests" && p[1] == "revisions" && p[4] == "signatures" && p[7] == "link":
		at.kind = keyOldSignature
		if at.subject, err = digestOf(p[2], p[3]); err == nil {
			at.digest, err = digestOf(p[5], p[6])
		}
	case len(p) == 8 && p[0] == "_manifests" && p[1] == "revisions" && p[4] == "signatures" && isSignature(p[7]):
		at.kind = keySignature
		_, at.signing, _ = strings.Cut(p[7], "-")
		if at.subject, err = digestOf(p[2], p[3]); err == nil {
			at.digest, err = digestOf(p[5], p[6])
		}
	case len(p) == 2 && p[0] == "_tags":
		at.kind = keyTag
		at.tag, err = reference.ParseTag(p[1])
	case len(p) == 3 && p[0] == "_uploads" && isCheckpoint(p[2]):
		at.kind, at.upload = keyCheckpoint, p[1]
	default:
		return at.old(p)
	}
	if err != nil {
		return unknown
	}
	return at
}

// tarSumOf puts the parts of a key that stand for a TarSum together again.
func tarSumOf(version, hex string) (reference.TarSum, error) {
	for algorithm, part := range tarSumVersions {
		if part == version {
			return reference.ParseTarSum(algorithm + ":" + hex)
		}
	}
	return "", reference.ErrAlgorithm
}

// isSignature tells the last part of a signature's key from others.
func isSignature(part string) bool {
	_, ok := parseULID(part, "jws-")
	return ok || part == "jws"
}

// isCheckpoint tells the last part of a checkpoint's key from what CNCF Distribution has there.
func isCheckpoint(part string) bool {
	_, ok := parseCheckpoint(part)
	return ok
}

// old recognises what CNCF Distribution has in a repository and registryd has not.
func (at repoKey) old(p []string) repoKey {
	var err error
	switch {
	case len(p) == 5 && p[0] == "_manifests" && p[1] == "tags" && p[3] == "current" && p[4] == "link":
		at.kind = keyOldTag
		at.tag, err = reference.ParseTag(p[2])
	case len(p) == 7 && p[0] == "_manifests" && p[1] == "tags" && p[3] == "index" && p[6] == "link":
		at.kind = keyOldOther
	case len(p) == 3 && p[0] == "_uploads" && (p[2] == "data" || p[2] == "startedat"), len(p) == 5 && p[0] == "_uploads" && p[2] == "hashstates":
		at.kind, at.upload = keyOldUpload, p[1]
	default:
		return repoKey{}
	}
	if err != nil {
		return repoKey{}
	}
	return at
}

// parseHanded is the id of what was handed over at key.
func (k keys) parseHanded(key string) (string, bool) { return parseULID(key, k.handedPrefix()) }

// parseULID is the ULID that stands directly below prefix, and nothing behind it.
func parseULID(key, prefix string) (string, bool) {
	id, ok := strings.CutPrefix(key, prefix)
	_, err := ulid.ParseStrict(id)
	return id, ok && err == nil
}

// parsePointer is the digest whose pointer stands at key.
func (k keys) parsePointer(key string) (digest.Digest, bool) { return k.parseBlob(key, "pointer") }

// parseGeneration0 is the digest whose bytes CNCF Distribution put at key.
func (k keys) parseGeneration0(key string) (digest.Digest, bool) { return k.parseBlob(key, "data") }

func (k keys) parseBlob(key, last string) (digest.Digest, bool) {
	p := strings.Split(strings.TrimPrefix(key, k.blobsPrefix()), "/")
	if len(p) != 4 || p[3] != last {
		return "", false
	}
	d, err := digestOf(p[0], p[2])
	return d, err == nil && p[1] == p[2][:2]
}
