package uploadtoken

import (
	"context"
	"errors"
	"time"
)

// ErrUnknown is all that a caller learns of a token that is forged, malformed, expired, of another repository or of an unknown key.
var ErrUnknown = errors.New("unknown upload")

// Provider turns the state of an upload into a token that stands in the path of its Location, and back. Safe for concurrent use.
type Provider interface {
	// Issue seals up. The token is made of A-Z a-z 0-9 - _ . only.
	Issue(ctx context.Context, up Upload) (string, error)

	// Open gives back what was sealed, if token is one for this repository and has not expired; else ErrUnknown.
	Open(ctx context.Context, repository, token string) (Upload, error)
}

// Upload is what a token is bound to.
type Upload struct {
	Repository string
	ID         string    // of the upload, the same from its start to its end
	Seq        uint64    // of its last checkpoint
	Offset     int64     // bytes received
	Started    time.Time // whole seconds
	Expires    time.Time // whole seconds
	State      []byte    // what storage needs to go on, opaque here
}
