package events

import (
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
)

// blobMediaType is what CNCF Distribution calls every blob, since a registry does not know better. Many configurations ignore blobs by it.
const blobMediaType = "application/octet-stream"

// Origin makes the events of one request: one event each, of the content that CNCF Distribution gives it. It may be copied, and used concurrently.
type Origin struct {
	// Registry is where clients reach the registry, such as https://registry.example.com, without a slash at the end. URLs of targets begin with it; they are
	// relative where it is empty.
	Registry string

	Request Request
	Actor   Actor
	Source  Source
}

func (o Origin) event(action Action, kind Kind, target Target) Event {
	return Event{
		ID:       ulid.Make().String(),
		Time:     time.Now().UTC(),
		Action:   action,
		Kind:     kind,
		Target:   target,
		Registry: o.Registry,
		Request:  o.Request,
		Actor:    o.Actor,
		Source:   o.Source,
	}
}

// ManifestPushed is for a push, by a tag or by none. A push of several tags is several events.
func (o Origin) ManifestPushed(target Target) Event { return o.event(Push, Manifest, target) }

// ManifestPulled is for a GET or HEAD of a manifest that was answered with it, by a tag or by none.
func (o Origin) ManifestPulled(target Target) Event { return o.event(Pull, Manifest, target) }

// ManifestDeleted is for a deletion by digest.
func (o Origin) ManifestDeleted(repository reference.Name, d digest.Digest) Event {
	return o.event(Delete, Manifest, Target{Repository: repository, Digest: d})
}

// TagDeleted is for a tag that is gone, by itself or with its manifest. Consumers take an event with a digest for the end of that manifest: so it has none.
func (o Origin) TagDeleted(repository reference.Name, tag reference.Tag) Event {
	return o.event(Delete, Tag, Target{Repository: repository, Tag: tag})
}

// BlobPushed is for an upload that was closed.
func (o Origin) BlobPushed(repository reference.Name, d digest.Digest, size int64) Event {
	return o.event(Push, Blob, Target{Repository: repository, MediaType: blobMediaType, Digest: d, Size: size})
}

// BlobPulled is for a GET or HEAD of a blob that was answered with it, or with where it is.
func (o Origin) BlobPulled(repository reference.Name, d digest.Digest, size int64) Event {
	return o.event(Pull, Blob, Target{Repository: repository, MediaType: blobMediaType, Digest: d, Size: size})
}

// BlobMounted is for an upload that was over before it began, since the blob was there. from is empty where the client did not name a repository.
func (o Origin) BlobMounted(repository, from reference.Name, d digest.Digest, size int64) Event {
	return o.event(Mount, Blob, Target{Repository: repository, FromRepository: from, MediaType: blobMediaType, Digest: d, Size: size})
}

// BlobDeleted is for a blob that its repository does not serve any more.
func (o Origin) BlobDeleted(repository reference.Name, d digest.Digest) Event {
	return o.event(Delete, Blob, Target{Repository: repository, Digest: d})
}
