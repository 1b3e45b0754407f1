package api

import (
	"errors"

	"github.com/registryd/registryd/internal/reference"
)

// The codes that reading a request can lead to: those of the OCI distribution spec ("Error Codes") and, where it has none, Docker's.
const (
	codeBlobUploadInvalid       = "BLOB_UPLOAD_INVALID"
	codeBlobUploadUnknown       = "BLOB_UPLOAD_UNKNOWN"
	codeDigestInvalid           = "DIGEST_INVALID"
	codeManifestUnknown         = "MANIFEST_UNKNOWN"
	codeNameInvalid             = "NAME_INVALID"
	codeNameUnknown             = "NAME_UNKNOWN"
	codePaginationNumberInvalid = "PAGINATION_NUMBER_INVALID"
	codeTagInvalid              = "TAG_INVALID"
	codeUnsupported             = "UNSUPPORTED"
)

// routeError says why a request cannot be read.
type routeError struct {
	code    string
	message string   // a plain sentence for the client
	allow   []string // the methods that would do, if it is the method that is wrong
}

func (e *routeError) Error() string { return e.message }

// referenceError gives an error of package reference its code. It leaves a routeError as it is.
func referenceError(err error) error {
	var known *routeError
	code := codeNameInvalid
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, reference.ErrTag):
		code = codeTagInvalid
	case errors.Is(err, reference.ErrDigest), errors.Is(err, reference.ErrAlgorithm):
		code = codeDigestInvalid
	}
	return &routeError{code: code, message: err.Error()}
}
