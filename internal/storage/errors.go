package storage

import (
	"context"
	"errors"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// Code says what kind of failure an error is. The api package maps each to a status and an OCI error code.
type Code int

// The codes. Internal stands for every error that is nobody's but ours.
const (
	Internal Code = iota
	BlobUnknown
	BlobUploadUnknown
	BlobUploadInvalid
	DigestInvalid
	ManifestBlobUnknown
	ManifestInvalid
	ManifestUnknown
	ManifestUnverified
	NameInvalid
	NameUnknown
	RangeInvalid
	SizeInvalid
	TagInvalid
	TooLarge
	Unsupported
	Unavailable
	Canceled
)

// Error is a failure that a client may be told of: its message and detail say nothing of the inside. Several of them can be joined with errors.Join.
type Error struct {
	Code    Code
	Message string // one sentence
	Detail  any    // goes out as JSON; may be nil
	Err     error  // the cause, for the log alone; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

func fail(code Code, message string, detail any) *Error {
	return &Error{Code: code, Message: message, Detail: detail}
}

// CodeOf is the kind of any error that this package returned.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, drivers.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	case errors.Is(err, context.Canceled):
		return Canceled
	default:
		return Internal
	}
}

// Errors are the failures for clients that err holds, in order; none when it is Internal, Unavailable or Canceled by nature.
func Errors(err error) []*Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, one := range joined.Unwrap() {
			all = append(all, Errors(one)...)
		}
		return all
	}
	var e *Error
	if errors.As(err, &e) {
		return []*Error{e}
	}
	return nil
}

// RetryAfter is when a client should come back after an error of code Unavailable.
func RetryAfter(err error) time.Duration {
	var u *drivers.Unavailable
	if errors.As(err, &u) && u.RetryAfter > 0 {
		return u.RetryAfter
	}
	return time.Second
}
