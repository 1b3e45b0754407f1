package storage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

// DefaultRoot is where the keys begin, as in CNCF Distribution, whose stores open in place.
const DefaultRoot = "docker/registry/v2"

// CheckFolder is where a store may be tried out: nothing else stands there.
const CheckFolder = DefaultRoot + "/meta/check"

// keys builds every key there is, below its root:
//
//	blobs/<alg>/<2 hex>/<hex>/pointer                                            where a blob's bytes are, and in which state
//	data/<2 hex>/<id>                                                            bytes; id is a ULID, unique per attempt; never rewritten
//	repositories/<name>/_layers/<alg>/<hex>/link                                 this repository may serve this blob
//	repositories/<name>/_layers/tarsum/<version>/<alg>/<hex>/link                a TarSum of a blob
//	repositories/<name>/_manifests/revisions/<alg>/<hex>/link                    this repository has this manifest
//	repositories/<name>/_manifests/revisions/<alg>/<hex>/signatures/<alg>/<hex>/jws   one signature of a manifest of Docker schema 1; ends in -<ulid> where
//	                                                                                  the manifest had been deleted before
//	repositories/<name>/_manifests/revisions/<alg>/<hex>/tags/<tag>              a tag that points here, or did
//	repositories/<name>/_manifests/referrers/<alg>/<hex>/<alg>/<hex>             one referrer of a subject
//	repositories/<name>/_tags/<tag>                                              where a tag points, and where it pointed
//	repositories/<name>/_uploads/<id>/<seq>                                      a checkpoint of an upload under way
//	catalog/<name, encoded>                                                      one leaf per repository
//	journal/<ulid>                                                               one push or deletion under way, or not yet delivered
//	handed/<ulid>                                                                entries of the journal that a node hands to the relay: a hint
//	dead/<endpoint>/<ulid>                                                       an event that an endpoint did not take
//	meta/clock                                                                   written to learn what time it is at the store
//	meta/format                                                                  who wrote the store first, and what is left to bring over
//	meta/leases/<name>                                                           which node does a job that one at a time should do
//	meta/nodes/<instance>                                                        what a node says of itself, for people
//
// An underscore keeps our parts apart from those of a repository name, which cannot start with one. Tags and repositories are flat leaves, so that
// the store's byte order is the lexical order that the API promises. No key is a folder of another.
type keys struct{ root string }

func (k keys) pointer(d digest.Digest) string {
	return k.root + "/blobs/" + hashed(d) + "/pointer"
}

// data spreads the ids over 256 folders by their last byte, which is random.
func (k keys) data(id string) string {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return k.dataPrefix() + "00/" + id // a damaged pointer; there is nothing there
	}
	return fmt.Sprintf("%s%02x/%s", k.dataPrefix(), parsed[len(parsed)-1], id)
}

// generation0 is where CNCF Distribution put the bytes of a blob.
func (k keys) generation0(d digest.Digest) string { return k.root + "/blobs/" + hashed(d) + "/data" }

// bytes is where the bytes are that the pointer p of d names.
func (k keys) bytes(d digest.Digest, p *pointer) string {
	if p.Distribution {
		return k.generation0(d)
	}
	return k.data(p.Data)
}

func (k keys) format() string                     { return k.root + "/meta/format" }
func (k keys) clock() string                      { return k.root + "/meta/clock" }
func (k keys) blobsPrefix() string                { return k.root + "/blobs/" }
func (k keys) dataPrefix() string                 { return k.root + "/data/" }
func (k keys) lease(name string) string           { return k.root + "/meta/leases/" + name }
func (k keys) nodesPrefix() string                { return k.root + "/meta/nodes/" }
func (k keys) node(instance string) string        { return k.nodesPrefix() + instance }
func (k keys) journalPrefix() string              { return k.root + "/journal/" }
func (k keys) entry(id string) string             { return k.journalPrefix() + id }
func (k keys) handedPrefix() string               { return k.root + "/handed/" }
func (k keys) handed(id string) string            { return k.handedPrefix() + id }
func (k keys) allDeadPrefix() string              { return k.root + "/dead/" }
func (k keys) deadPrefix(endpoint string) string  { return k.allDeadPrefix() + endpoint + "/" }
func (k keys) catalogPrefix() string              { return k.root + "/catalog/" }
func (k keys) repositoriesPrefix() string         { return k.root + "/repositories/" }
func (k keys) catalog(name reference.Name) string { return k.catalogPrefix() + encodeName(name) }
func (k keys) repository(name reference.Name) repoKeys {
	return repoKeys{k.repositoriesPrefix() + string(name) + "/"}
}

// repoKeys builds the keys of one repository.
type repoKeys struct{ prefix string }

func (k repoKeys) layer(d digest.Digest) string { return k.prefix + "_layers/" + slashed(d) + "/link" }

func (k repoKeys) revision(d digest.Digest) string {
	return k.revisionPrefix(d) + "link"
}

// tarSum is where CNCF Distribution has its link too.
func (k repoKeys) tarSum(sum reference.TarSum) string {
	return k.prefix + "_layers/tarsum/" + tarSumVersions[sum.Algorithm()] + "/" + sum.Encoded() + "/link"
}

// tarSumVersions are the parts of a key that stand for the algorithm of a TarSum.
var tarSumVersions = map[string]string{reference.TarSumV0: "v0/sha256", reference.TarSumV1: "v1/sha256", reference.TarSumDev: "dev/sha256"}

// revisionPrefix is where all stands that belongs to a revision, its link too.
func (k repoKeys) revisionPrefix(d digest.Digest) string {
	return k.prefix + "_manifests/revisions/" + slashed(d) + "/"
}

func (k repoKeys) marksPrefix(d digest.Digest) string { return k.revisionPrefix(d) + "tags/" }

func (k repoKeys) signaturesPrefix(d digest.Digest) string {
	return k.revisionPrefix(d) + "signatures/"
}

// signature ends as it does because CNCF Distribution has a link in the folder of the same name. signing is that of the link (see revision).
func (k repoKeys) signature(d, signature digest.Digest, signing string) string {
	if signing != "" {
		signing = "-" + signing
	}
	return k.signaturesPrefix(d) + slashed(signature) + "/jws" + signing
}

func (k repoKeys) mark(d digest.Digest, tag reference.Tag) string {
	return k.marksPrefix(d) + string(tag)
}

func (k repoKeys) referrersPrefix(subject digest.Digest) string {
	return k.prefix + "_manifests/referrers/" + slashed(subject) + "/"
}

func (k repoKeys) referrer(subject, referrer digest.Digest) string {
	return k.referrersPrefix(subject) + slashed(referrer)
}

func (k repoKeys) tagsPrefix() string           { return k.prefix + "_tags/" }
func (k repoKeys) tag(tag reference.Tag) string { return k.tagsPrefix() + string(tag) }
func (k repoKeys) oldTagsPrefix() string        { return k.prefix + "_manifests/tags/" }
func (k repoKeys) oldTag(tag reference.Tag) string {
	return k.oldTagsPrefix() + string(tag) + "/current/link"
}

func (k repoKeys) aliasesPrefix() string         { return k.prefix + "_layers/" + digest.SHA512.String() + "/" }
func (k repoKeys) uploadPrefix(id string) string { return k.prefix + "_uploads/" + id + "/" }
func (k repoKeys) checkpoint(id string, seq uint64) string {
	return k.uploadPrefix(id) + fmt.Sprintf("%010d", seq)
}

// parseCheckpoint is the sequence number at the end of a checkpoint's key.
func parseCheckpoint(key string) (uint64, bool) {
	seq, err := strconv.ParseUint(key[strings.LastIndexByte(key, '/')+1:], 10, 64)
	return seq, err == nil
}

func slashed(d digest.Digest) string { return d.Algorithm().String() + "/" + d.Encoded() }

func hashed(d digest.Digest) string {
	return d.Algorithm().String() + "/" + d.Encoded()[:2] + "/" + d.Encoded()
}

// The encoding of a name in the catalog makes it one part of a key and keeps the order of names: `-` `.` `/` are neighbours in ASCII, in this order,
// below all else that a name can hold, and so are the three that stand for them.
var (
	nameEncoder = strings.NewReplacer("-", "!", ".", "-", "/", ".")
	nameDecoder = strings.NewReplacer("!", "-", "-", ".", ".", "/")
)

func encodeName(name reference.Name) string { return nameEncoder.Replace(string(name)) }
func decodeName(leaf string) string         { return nameDecoder.Replace(leaf) }

// digestOf puts the <alg>/<hex> of a key together again.
func digestOf(alg, hex string) (digest.Digest, error) {
	return reference.ParseDigest(alg + ":" + hex)
}
