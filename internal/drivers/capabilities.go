package drivers

import (
	"context"
	"time"
)

// What some stores can do and others cannot is an interface of its own. As finds it behind decorators.

// Redirector is a driver whose objects clients can fetch from the store itself.
type Redirector interface {
	// RedirectURL is a URL that gives the object at key to whoever has it, for a short while, as an attachment of unknown type. It asks nobody, not even
	// whether there is such an object. It is a secret: never log it.
	RedirectURL(ctx context.Context, key string) (string, error)
}

// Expirer is a driver whose store may hold uploads that nothing else names.
type Expirer interface {
	// ExpireUploads drops the uploads to keys with the prefix that began before that time, and says how many; with dryRun it only counts them.
	ExpireUploads(ctx context.Context, prefix string, before time.Time, dryRun bool) (int, error)
}

// Parter is a driver whose store takes uploads in parts.
type Parter interface {
	// LeastPart is how many bytes an Append had better bring: fewer are written once more with those of the next one.
	LeastPart() int64
}

// As finds a capability of a driver. Decorators have a method Unwrap.
func As[T any](d Driver) (T, bool) {
	for {
		if found, ok := d.(T); ok {
			return found, true
		}
		inner, ok := d.(interface{ Unwrap() Driver })
		if !ok {
			var none T
			return none, false
		}
		d = inner.Unwrap()
	}
}

// Watcher is what a [Source] may be besides: an Append of a driver that stores piece by piece tells it of every durable point that it comes to, well
// before the end or not. Any process may go on from there, unless this Append ends with ErrDiscard. Reached must not block, and may be called from any
// goroutine, in order, one at a time, and not while Append's saved is called.
type Watcher interface {
	Reached(Session)
}
