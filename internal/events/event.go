package events

import (
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/registryd/registryd/internal/reference"
)

// Action is what was done.
type Action string

// The actions, by the names that CNCF Distribution gives them.
const (
	Push   Action = "push"
	Pull   Action = "pull"
	Mount  Action = "mount"
	Delete Action = "delete"
)

// Kind is what it was done to.
type Kind string

// The kinds. A tag is a target of its own only when it is deleted: else it is a property of its manifest.
const (
	Manifest Kind = "manifest"
	Blob     Kind = "blob"
	Tag      Kind = "tag"
)

// Descriptor describes content.
type Descriptor = v1.Descriptor

// Event is something that happened in the registry. It is not changed once it is made; its JSON is the form it is kept in.
type Event struct {
	ID       string    `json:"id"` // a ULID, the same through all retries
	Time     time.Time `json:"time"`
	Action   Action    `json:"action"`
	Kind     Kind      `json:"kind"`
	Target   Target    `json:"target"`
	Registry string    `json:"registry,omitempty"` // as Origin has it
	Request  Request   `json:"request"`
	Actor    Actor     `json:"actor"`
	Source   Source    `json:"source"`
}

// Target is what an event is about. A deletion has no media type and no size; that of a tag has no digest, and that of a manifest no tag.
type Target struct {
	Repository     reference.Name `json:"repository"`
	FromRepository reference.Name `json:"fromRepository,omitempty"` // where a blob was mounted from
	Tag            reference.Tag  `json:"tag,omitempty"`
	MediaType      string         `json:"mediaType,omitempty"`
	Digest         digest.Digest  `json:"digest,omitempty"`
	Size           int64          `json:"size,omitempty"`         // in bytes
	ArtifactType   string         `json:"artifactType,omitempty"` // goes out in CloudEvents only
	Subject        *Descriptor    `json:"subject,omitempty"`      // what a manifest refers to; goes out in CloudEvents only
	References     []Descriptor   `json:"references,omitempty"`   // config and layers of an image, or the manifests of an index
}

// Request is the request that caused an event. Its fields are on the wire as they stand here.
type Request struct {
	ID        string `json:"id"`
	Addr      string `json:"addr,omitempty"` // of the client: host or host:port
	Host      string `json:"host,omitempty"` // as the client called the registry
	Method    string `json:"method"`
	UserAgent string `json:"useragent"`
}

// Actor is who made that request. Its fields are on the wire as they stand here.
type Actor struct {
	Name string `json:"name,omitempty"` // empty where nobody had to say who they are
}

// Source is the node that answered that request. Its fields are on the wire as they stand here.
type Source struct {
	Addr       string `json:"addr,omitempty"` // host:port
	InstanceID string `json:"instanceID,omitempty"`
}

// url is where the target can be pulled; empty after a deletion, as with CNCF Distribution. A manifest is named by its digest there, also one that was
// pushed or pulled by tag.
func (e *Event) url() string {
	if e.Action == Delete || e.Target.Digest == "" {
		return ""
	}
	return e.Registry + "/v2/" + string(e.Target.Repository) + "/" + string(e.Kind) + "s/" + string(e.Target.Digest)
}
