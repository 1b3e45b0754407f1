package api

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

// Events is told what clients do, so that others can be told of it. Safe for concurrent use; none of its methods blocks.
type Events interface {
	// Note is what the journal shall keep of a push or a deletion of a manifest or a tag that is about to be made. It is handed to whoever delivers it
	// once that has come to pass.
	Note(of ...Happening) []byte

	// Happened tells of all else: pulls and mounts, and what is done to blobs. It may be lost.
	Happened(Happening)
}

// Happening is one thing that a request did or is about to do.
type Happening struct {
	Caller
	Action     Action
	Kind       Kind
	Repository reference.Name
	From       reference.Name // of a mount, if the client named one
	Tag        reference.Tag
	Digest     digest.Digest
	MediaType  string // of a manifest
	Size       int64  // bytes
	Content    storage.Content
}

// Caller is the request that it came from.
type Caller struct {
	Registry  string // URL by which the client reached the registry, without a slash at the end
	Request   string // id
	Addr      string // of the client
	Host      string // as the client called the registry
	Method    string
	UserAgent string
}

// Action is what was done.
type Action string

// The actions.
const (
	ActionPush   Action = "push"
	ActionPull   Action = "pull"
	ActionMount  Action = "mount"
	ActionDelete Action = "delete"
)

// Kind is what it was done to.
type Kind string

// The kinds.
const (
	KindManifest Kind = "manifest"
	KindBlob     Kind = "blob"
	KindTag      Kind = "tag"
)

// deaf is the Events of a registry that tells nobody.
type deaf struct{}

func (deaf) Note(...Happening) []byte { return nil }
func (deaf) Happened(Happening)       {}

// happening begins to tell of a request.
func (h *handler) happening(r *http.Request, action Action, kind Kind, repository *storage.Repository) Happening {
	return Happening{
		Caller: Caller{
			Registry: cut(h.reached(r)), Request: exchangeOf(r.Context()).id, Addr: r.RemoteAddr, Host: cut(r.Host), Method: r.Method, UserAgent: cut(r.UserAgent()),
		},
		Action: action, Kind: kind, Repository: repository.Name(),
	}
}

// maxTold is how much of what a client says of itself is told on, in bytes: a header may be as long as all headers together.
const maxTold = 512

func cut(s string) string { return s[:min(len(s), maxTold)] }

// blobHappened tells of a blob.
func (h *handler) blobHappened(r *http.Request, action Action, repository *storage.Repository, blob storage.Descriptor) {
	what := h.happening(r, action, KindBlob, repository)
	what.Digest, what.Size = blob.Digest, blob.Size
	h.opts.Events.Happened(what)
}

// notePush is the note of a push, which is as many events as it sets tags.
func (h *handler) notePush(r *http.Request, repository *storage.Repository, tags []reference.Tag) func(storage.Pushed) []byte {
	return func(p storage.Pushed) []byte {
		what := h.happening(r, ActionPush, KindManifest, repository)
		what.Digest, what.MediaType, what.Size, what.Content = p.Digest, p.MediaType, p.Size, p.Content
		if len(tags) == 0 {
			return h.opts.Events.Note(what)
		}
		all := make([]Happening, len(tags))
		for i, tag := range tags {
			all[i] = what
			all[i].Tag = tag
		}
		return h.opts.Events.Note(all...)
	}
}
