package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/registryd/registryd/internal/drivers"
)

// explain turns an error of the SDK into one of the contract. What the store refuses for good (rights, a wrong bucket) stays what it is.
func explain(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	what := op + " " + key
	if ctxErr := context.Cause(ctx); ctxErr != nil && errors.Is(ctxErr, context.Canceled) {
		return fmt.Errorf("%s: %w", what, ctxErr)
	}
	status, header := 0, http.Header(nil)
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
		if response.Response != nil && response.Response.Response != nil {
			header = response.Response.Header
		}
	}
	switch code := errorCode(err); {
	case code == "NoSuchKey" || code == "NoSuchUpload" || code == "NotFound" || errors.Is(err, drivers.ErrNotFound): // the last is a tail that was to be sent
		return fmt.Errorf("%s: %w", what, drivers.ErrNotFound)
	case code == "NoSuchBucket":
		return &drivers.Unavailable{Err: fmt.Errorf("%s: the bucket does not exist, make it or correct storage.s3.bucket: %w", what, err)}
	case code == "PreconditionFailed" || status == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", what, drivers.ErrPrecondition)
	case status == http.StatusNotFound, // not the store's own: somebody on the way to it answered
		status == http.StatusForbidden, status == http.StatusUnauthorized, code == "ExpiredToken", code == "RequestTimeTooSkewed": // keys that are being changed
		return &drivers.Unavailable{Err: fmt.Errorf("%s: %w", what, err)}
	case status < 300, // no answer, or one that broke off
		status >= 500 && status != http.StatusNotImplemented, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, code == "RequestTimeout",
		code == "ConditionalRequestConflict", code == "ExistingObjectIsDirectory", code == "OperationAborted", code == "SlowDown", isQuota(err):
		return &drivers.Unavailable{RetryAfter: retryAfter(header), Err: fmt.Errorf("%s: %w", what, err)}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// isQuota: the budget of retries is used up.
func isQuota(err error) bool {
	var attempts *retry.MaxAttemptsError
	return errors.As(err, &attempts)
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
