package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/registryd/registryd/internal/drivers"
)

// answered is what the SDK makes of an answer.
func answered(status int, code string, header http.Header) error {
	var err error = &smithy.GenericAPIError{Code: code, Message: "some message"}
	if code == "" {
		err = errors.New("no body")
	}
	return &smithy.OperationError{ServiceID: "S3", OperationName: "Any", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}}, Err: err,
	}}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		err   error
		want  error // nil: none of the contract's
		retry time.Duration
	}{
		{"no object", answered(404, "NoSuchKey", nil), drivers.ErrNotFound, 0},
		{"no upload", answered(404, "NoSuchUpload", nil), drivers.ErrNotFound, 0},
		{"a HEAD that has no body", answered(404, "NotFound", nil), drivers.ErrNotFound, 0},
		{"a gateway that knows no way", answered(404, "", nil), drivers.ErrUnavailable, 0},
		{"no bucket is no absent object", answered(404, "NoSuchBucket", nil), drivers.ErrUnavailable, 0},
		{"a condition", answered(412, "PreconditionFailed", nil), drivers.ErrPrecondition, 0},
		{"a condition without a code", answered(412, "", nil), drivers.ErrPrecondition, 0},
		{"two conditional writes at once", answered(409, "ConditionalRequestConflict", nil), drivers.ErrUnavailable, 0},
		{"something else at once", answered(409, "OperationAborted", nil), drivers.ErrUnavailable, 0},
		{"a conflict for good", answered(409, "BucketNotEmpty", nil), nil, 0},
		{"slow down", answered(503, "SlowDown", http.Header{"Retry-After": {"7"}}), drivers.ErrUnavailable, 7 * time.Second},
		{"slow down, without a time", answered(503, "SlowDown", nil), drivers.ErrUnavailable, 0},
		{"a date for a time", answered(503, "SlowDown", http.Header{"Retry-After": {"Wed, 21 Oct 2026 07:28:00 GMT"}}), drivers.ErrUnavailable, 0},
		{"a time in the past", answered(503, "SlowDown", http.Header{"Retry-After": {"-1"}}), drivers.ErrUnavailable, 0},
		{"inside", answered(500, "InternalError", nil), drivers.ErrUnavailable, 0},
		{"what the store will never know", answered(501, "NotImplemented", nil), nil, 0},
		{"a gateway", answered(502, "", nil), drivers.ErrUnavailable, 0},
		{"a good answer that broke off", answered(200, "", nil), drivers.ErrUnavailable, 0},
		{"too many", answered(429, "", http.Header{"Retry-After": {"1"}}), drivers.ErrUnavailable, time.Second},
		{"too slow", answered(400, "RequestTimeout", nil), drivers.ErrUnavailable, 0},
		{"too slow, by its status", answered(408, "", nil), drivers.ErrUnavailable, 0},
		{"no connection", &smithy.OperationError{Err: &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}}, drivers.ErrUnavailable, 0},
		{"a deadline", &smithy.OperationError{Err: context.DeadlineExceeded}, drivers.ErrUnavailable, 0},
		{"no more attempts", &smithy.OperationError{Err: &retry.MaxAttemptsError{Attempt: 5, Err: answered(400, "Odd", nil)}}, drivers.ErrUnavailable, 0},
		{"no right", answered(403, "AccessDenied", nil), drivers.ErrUnavailable, 0},
		{"keys of yesterday", answered(400, "ExpiredToken", nil), drivers.ErrUnavailable, 0},
		{"a wrong region", answered(301, "PermanentRedirect", nil), nil, 0},
		{"malformed", answered(400, "InvalidArgument", nil), nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := explain(t.Context(), "put", "some/key", c.err)
			for _, kind := range []error{drivers.ErrNotFound, drivers.ErrPrecondition, drivers.ErrUnavailable, drivers.ErrInvalidKey, drivers.ErrDiscard, context.Canceled} {
				if errors.Is(got, kind) != (kind == c.want) {
					t.Errorf("%v: is %v: %t", got, kind, errors.Is(got, kind))
				}
			}
			var away *drivers.Unavailable
			if errors.As(got, &away) && away.RetryAfter != c.retry {
				t.Errorf("retry after %v, want %v", away.RetryAfter, c.retry)
			}
		})
	}
}

func TestExplainCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{ctx.Err(), answered(500, "InternalError", nil), &smithyhttp.RequestSendError{Err: io.EOF}} {
		if got := explain(ctx, "put", "k", err); !errors.Is(got, context.Canceled) || errors.Is(got, drivers.ErrUnavailable) {
			t.Errorf("got %v", got)
		}
	}
	if err := explain(ctx, "put", "k", nil); err != nil {
		t.Errorf("got %v for success", err)
	}
}
