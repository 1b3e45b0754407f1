package drivers

import (
	"errors"
	"fmt"
	"time"
)

// The errors of the contract. Drivers wrap them with what was being done; callers ask with errors.Is.
var (
	// ErrNotFound: there is no such object or session.
	ErrNotFound = errors.New("not found")

	// ErrPrecondition: the condition of a Put or Commit did not hold. The request was sent once, so nothing was written, now or later.
	ErrPrecondition = errors.New("precondition failed")

	// ErrAmbiguous: the condition of a Put that was sent more than once does not hold, and other content stands at the key. An earlier attempt may have been
	// applied and overwritten since, or never have arrived. The caller decides by what stands there; see [Cond]. It is an ErrUnavailable too, for those
	// who cannot tell: the client is to come back.
	ErrAmbiguous = fmt.Errorf("a repeated write may have been applied and overwritten since: %w", ErrUnavailable)

	// ErrUnavailable: the store is away, slow or overloaded; whether the call happened is not known. See [Unavailable].
	ErrUnavailable = errors.New("the store does not answer")

	// ErrInvalidKey: the key is not one; nothing was written.
	ErrInvalidKey = errors.New("invalid key")

	// ErrDiscard, wrapped in the error of a Source, tells Append to drop what it wrote in this call.
	ErrDiscard = errors.New("discard")
)

// Refused says that the condition of a Put does not hold now, whether or not an earlier attempt at it was applied.
func Refused(err error) bool { return errors.Is(err, ErrPrecondition) || errors.Is(err, ErrAmbiguous) }

// Unavailable is an ErrUnavailable that knows when to come back.
type Unavailable struct {
	RetryAfter time.Duration // 0 when the store did not say
	Err        error         // the cause
}

func (e *Unavailable) Error() string        { return fmt.Sprintf("%v: %v", ErrUnavailable, e.Err) }
func (e *Unavailable) Unwrap() error        { return e.Err }
func (e *Unavailable) Is(target error) bool { return target == ErrUnavailable }
