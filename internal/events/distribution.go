package events

import (
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/reference"
)

// The envelope of CNCF Distribution (notifications/event.go there): members, their order, and which of them are left out when empty. v1 and v2 differ in
// the descriptors of targets and references alone. Those of v1 leave out what is empty; those of v2 are the OCI image spec's, where mediaType, digest and
// size always stand, even in a deletion that knows none of them.

type enveloped[T any] struct {
	Events []T `json:"events,omitempty"`
}

type record[T any] struct {
	ID        string    `json:"id,omitempty"`
	Timestamp time.Time `json:"timestamp"`
	Action    Action    `json:"action,omitempty"`
	Target    T         `json:"target"`
	Request   Request   `json:"request"`
	Actor     Actor     `json:"actor"`
	Source    Source    `json:"source"`
}

type targetV1 struct {
	descriptorV1
	placed[descriptorV1]
}

type targetV2 struct {
	Descriptor
	placed[Descriptor]
}

// placed is what a target has besides its descriptor.
type placed[D any] struct {
	Length         int64          `json:"length,omitempty"` // the size once more, for consumers from before there was a size
	Repository     reference.Name `json:"repository,omitempty"`
	FromRepository reference.Name `json:"fromRepository,omitempty"`
	URL            string         `json:"url,omitempty"`
	Tag            reference.Tag  `json:"tag,omitempty"`
	References     []D            `json:"references,omitempty"`
}

// descriptorV1 is distribution.Descriptor of 2.x. It knows nothing of data and artifactType.
type descriptorV1 struct {
	MediaType   string            `json:"mediaType,omitempty"`
	Size        int64             `json:"size,omitempty"`
	Digest      digest.Digest     `json:"digest,omitempty"`
	URLs        []string          `json:"urls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *v1.Platform      `json:"platform,omitempty"`
}

func envelope[T any](events []Event, convert func(*Event) record[T]) enveloped[record[T]] {
	return enveloped[record[T]]{each(events, convert)}
}

func inV1(e *Event) record[targetV1] {
	target := targetV1{
		descriptorV1: descriptorV1{MediaType: e.Target.MediaType, Size: e.Target.Size, Digest: e.Target.Digest},
		placed:       place[descriptorV1](e),
	}
	for _, d := range e.Target.References {
		target.References = append(target.References, descriptorV1{d.MediaType, d.Size, d.Digest, d.URLs, d.Annotations, d.Platform})
	}
	return recordOf(e, target)
}

func inV2(e *Event) record[targetV2] {
	target := targetV2{
		Descriptor: Descriptor{MediaType: e.Target.MediaType, Size: e.Target.Size, Digest: e.Target.Digest},
		placed:     place[Descriptor](e),
	}
	target.References = e.Target.References
	return recordOf(e, target)
}

func place[D any](e *Event) placed[D] {
	return placed[D]{
		Length:         e.Target.Size,
		Repository:     e.Target.Repository,
		FromRepository: e.Target.FromRepository,
		URL:            e.url(),
		Tag:            e.Target.Tag,
	}
}

func recordOf[T any](e *Event, target T) record[T] {
	return record[T]{ID: e.ID, Timestamp: e.Time, Action: e.Action, Target: target, Request: e.Request, Actor: e.Actor, Source: e.Source}
}
