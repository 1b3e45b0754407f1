// Package drivers is the contract between registryd's storage and the store that keeps its objects.
//
// A driver is small and atomic: it knows keys and bytes, nothing of blobs, manifests or HTTP. Every promise below is
// executable: package drivertest runs it against each driver, with faults.
//
// # Keys
//
// A key is one to 1,024 bytes of printable ASCII, parts separated by '/'. No part is empty, "." or "..", or longer than 255 bytes, and no
// part that begins a key starts with '.' (a driver may keep files of its own there). No key is ever a folder of another key: `x` beside `x/y`
// is a mistake of the caller, which the fake in drivertest panics on.
//
// # Consistency and durability
//
// A call that returns nil has happened, is durable, and is seen by every call that starts after it, in any process. A call that returns an error
// wrapping [ErrUnavailable], or a context's error, may or may not have happened: the caller asks, or does it again. Every other error means that
// nothing was changed. All methods may be called from many goroutines at once.
//
// A driver over a network may send a request more than once, and one that seemed lost may reach the store late: after the call was answered, and after
// what others have done since. A conditional Put that comes late does nothing as long as its condition names a state that never comes back, which is up to
// the caller: every version of a record that is swapped has content of its own. A Put without a condition, and a Delete, do late what they do in time, so
// they are for keys where that makes no difference.
package drivers

import (
	"context"
	"io"
	"time"
)

// Driver is one store.
type Driver interface {
	Objects
	Uploads

	// Ping asks the store whether it answers at all, at the cost of at most one cheap request.
	Ping(ctx context.Context) error

	// Close gives up what the driver holds (locks, connections). No call may be under way or follow.
	Close() error
}

// Objects reads and writes whole objects.
type Objects interface {
	// Stat describes the object at key, or fails with ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)

	// Open streams n bytes of the object at key from offset off, all the rest when n is negative. An offset at or behind the end gives an
	// empty reader. The Info and the bytes belong to the same object, even if it is replaced meanwhile. Fails with ErrNotFound.
	Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, Info, error)

	// Put writes the whole of body (from its current position to its end) to key, atomically: a reader sees the old object or the new one.
	// With a condition that does not hold, it fails with ErrPrecondition and writes nothing; or, if an earlier attempt of this same call may have been
	// applied and overwritten since, with ErrAmbiguous. Content that stands there and equals body is taken for its own.
	Put(ctx context.Context, key string, body io.ReadSeeker, cond Cond) (Info, error)

	// Delete removes the objects at keys; a key that holds nothing is no error. It is not atomic over several keys: after an error, some
	// may be gone. Folders left empty leave no trace.
	Delete(ctx context.Context, keys ...string) error

	// List gives one page of the objects whose key starts with opts.Prefix, in byte order of the whole key (`a-b/x`, `a.b/x`, `a/x`).
	List(ctx context.Context, opts ListOptions) (Page, error)
}

// Info describes an object.
type Info struct {
	Key     string
	Size    int64     // bytes
	ETag    string    // opaque; changes with every Put of other content, and may with every Put
	ModTime time.Time // by the store's clock: good for politeness, never for safety
}

// Cond is the condition of a Put. The zero Cond always holds; at most one field is set.
//
// With a condition, body must be content that nobody else writes to this key (a record has a nonce for that), or content that is the same whoever writes it.
type Cond struct {
	IfAbsent bool   // nothing stands at the key
	IfMatch  string // the object at the key has this ETag
}

// ListOptions choose what List gives.
type ListOptions struct {
	Prefix    string // of the whole key; need not end at a '/'
	After     string // only keys behind this one in byte order; with Delimiter, groups that hold or start this key are left out too
	Delimiter string // "" or "/": keys that hold it behind Prefix are rolled up into one of Page.Groups
	Limit     int    // objects and groups in a page, at most; 0 leaves it to the driver; a driver may give fewer than asked
}

// Page is a part of a listing. Objects and Groups together, merged by key, are in byte order.
type Page struct {
	Objects []Info
	Groups  []string // common prefixes, each with its closing delimiter
	Next    string   // give this as ListOptions.After to go on; empty when the listing is at its end
}

// Uploads write an object too large or too slow for one Put.
//
// A [Session] is a snapshot: an immutable point in an upload. Appending to it gives a new Session and leaves the old one as it was, so that two
// requests that hold the same Session cannot harm each other: whatever each of them writes, a Session always names the very bytes that were
// appended to get to it. Sessions are plain data; any process may go on with one.
type Uploads interface {
	// Append reads src to its end and adds its bytes behind s; the zero Session starts an upload. fresh is a key that was never used and that
	// this call alone may use for the new Session.
	//
	// saved is called, if not nil, in order and from one goroutine at a time, each time a point well before the end has become durable (every
	// SaveInterval bytes or so); if it fails, Append stops and gives its error. The Session that Append returns is durable, too.
	//
	// If src fails, Append makes what it read durable all the same and returns that Session together with src's error, unless that error wraps
	// ErrDiscard: then what this call wrote is dropped and the Session returned is s. A Session that is gone (committed, aborted, expired) gives
	// ErrNotFound. When the error is anything else, the last Session that saved was given, or s, is where to go on.
	Append(ctx context.Context, s Session, fresh string, src Source, saved func(Session) error) (Session, error)

	// Commit makes the bytes of s the object at s.Key. It takes time that does not grow with their number, and may be repeated: the answer is the
	// same. If another Session was committed under that key, it fails with ErrPrecondition; if s is gone, with ErrNotFound.
	Commit(ctx context.Context, s Session) (Info, error)

	// Abort drops what is stored for s and was never committed; a committed object stays, whatever Session of its upload is given. To abort what
	// is gone is no error.
	Abort(ctx context.Context, s Session) error
}

// SaveInterval is how many bytes lie between two calls of Append's saved, in bytes.
const SaveInterval = 64 << 20

// Session is a point in an upload. Its zero value is the start of one that has stored nothing yet.
type Session struct {
	Key    string `json:"key,omitempty"`    // where the bytes will stand once committed
	Offset int64  `json:"offset,omitempty"` // bytes behind it
	Mark   []byte `json:"mark,omitempty"`   // what Source.Mark gave at Offset
	State  []byte `json:"state,omitempty"`  // the driver's own
}

// Source is what Append reads.
type Source interface {
	io.Reader

	// Mark gives what the caller needs to go on behind the bytes that were read so far (the state of a hash). Append calls it between two
	// Reads, from the goroutine that reads, and hands it back in Session.Mark.
	Mark() ([]byte, error)
}
