package uploadtoken

import (
	"context"
	"errors"
	"time"
)

// ErrUnknown is all that a caller learns of a token that is forged, malformed, expired, of another repository or of an unknown key; and of an upload
// that is known to be over.
var ErrUnknown = errors.New("unknown upload")

// ErrBusy: another request is at this upload.
var ErrBusy = errors.New("another request is at this upload")

// Provider turns the state of an upload into a token that stands in the path of its Location, and back. Safe for concurrent use.
type Provider interface {
	// Issue seals up. The token is made of A-Z a-z 0-9 - _ . only.
	Issue(ctx context.Context, up Upload) (string, error)

	// Open gives back what was sealed, or a newer point of the same upload, if token is one for this repository and has not expired; else
	// ErrUnknown.
	Open(ctx context.Context, repository, token string) (Upload, error)

	// Claim is Open for a request that goes on with the upload, from the point that the token itself holds. closing says that the request ends the
	// upload: one that ended well may be ended once more. With ErrBusy, which comes before anything of the body is read, it gives a Claim too, of
	// which only Newest may be asked. A Claim is not what keeps two requests from harming each other (snapshots do); it spares their work.
	Claim(ctx context.Context, repository, token string, closing bool) (Claim, error)

	// Cancel ends an upload, as far as other nodes can be told: requests that have claimed it stop, and no token of it opens any more.
	Cancel(ctx context.Context, up Upload)
}

// Claim is held by a request while it goes on with an upload. Its methods never fail, and take no longer than a round trip: what nodes tell each
// other of an upload makes it faster, and nothing depends on it.
type Claim interface {
	// Point is what the token holds.
	Point() Upload

	// Newest is the newest point that is known; Point if none is newer. It is Abandoned if the request that was at the upload before died at it.
	Newest() Upload

	// Lost is closed when another request has taken the upload over, or it was cancelled. It may be nil.
	Lost() <-chan struct{}

	// Held says whether the claim still stands, and asks about it if it may have been lost unseen. It is true when nobody can be asked.
	Held(ctx context.Context) bool

	// Reached tells of a durable point on the way. It does not block.
	Reached(up Upload)

	// Waiting says that the request waits for bytes of its client from now on, or, with false, that it does so no longer. A claim whose request has waited for
	// seconds, with nothing Reached and not Held, may be taken over: its client may be gone for good, or be back with another request. It does not block.
	Waiting(now bool)

	// Release ends the claim. up is where the upload stands now, the Point if nothing came of the request; over says that it came to its end. If up is
	// Abandoned, no point is known from then on, so that the next status asks the store.
	Release(ctx context.Context, up Upload, over bool)
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

	// Current says that there is no newer point of the upload that anybody was told of. It is not sealed.
	Current bool

	// Abandoned says that the request that was at the upload last died: the store may hold a newer checkpoint than anybody was told of. It is not sealed.
	Abandoned bool
}
