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

	// ErrPrecondition: the condition of a Put or Commit did not hold; nothing was written.
	ErrPrecondition = errors.New("precondition failed")

	// ErrUnavailable: the store is away, slow or overloaded; whether the call happened is not known. See [Unavailable].
	ErrUnavailable = errors.New("the store does not answer")

	// ErrInvalidKey: the key is not one; nothing was written.
	ErrInvalidKey = errors.New("invalid key")

	// ErrDiscard, wrapped in the error of a Source, tells Append to drop what it wrote in this call.
	ErrDiscard = errors.New("discard")
)

// Unavailable is an ErrUnavailable that knows when to come back.
type Unavailable struct {
	RetryAfter time.Duration // 0 when the store did not say
	Err        error         // the cause
}

func (e *Unavailable) Error() string        { return fmt.Sprintf("%v: %v", ErrUnavailable, e.Err) }
func (e *Unavailable) Unwrap() error        { return e.Err }
func (e *Unavailable) Is(target error) bool { return target == ErrUnavailable }
