package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// answer is how one kind of failure is told: the code of the OCI distribution spec ("Error Codes") or, where that has none, of Docker's, and the status.
type answer struct {
	code   string
	status int
}

// storageAnswers has every code of package storage.
var storageAnswers = map[storage.Code]answer{
	storage.Internal:            {"UNKNOWN", http.StatusInternalServerError},
	storage.BlobUnknown:         {"BLOB_UNKNOWN", http.StatusNotFound},
	storage.BlobUploadUnknown:   {codeBlobUploadUnknown, http.StatusNotFound},
	storage.BlobUploadInvalid:   {codeBlobUploadInvalid, http.StatusBadRequest},
	storage.DigestInvalid:       {codeDigestInvalid, http.StatusBadRequest},
	storage.ManifestBlobUnknown: {"MANIFEST_BLOB_UNKNOWN", http.StatusNotFound},
	storage.ManifestInvalid:     {"MANIFEST_INVALID", http.StatusBadRequest},
	storage.ManifestUnknown:     {codeManifestUnknown, http.StatusNotFound},
	storage.ManifestUnverified:  {"MANIFEST_UNVERIFIED", http.StatusBadRequest},
	storage.NameInvalid:         {codeNameInvalid, http.StatusBadRequest},
	storage.NameUnknown:         {codeNameUnknown, http.StatusNotFound},
	storage.RangeInvalid:        {"RANGE_INVALID", http.StatusRequestedRangeNotSatisfiable},
	storage.SizeInvalid:         {"SIZE_INVALID", http.StatusBadRequest},
	storage.TagInvalid:          {codeTagInvalid, http.StatusBadRequest},
	storage.TooLarge:            {"SIZE_INVALID", http.StatusRequestEntityTooLarge},
	storage.Unsupported:         {codeUnsupported, http.StatusMethodNotAllowed},
	storage.Unavailable:         {"UNAVAILABLE", http.StatusServiceUnavailable},
	storage.Canceled:            {"UNAVAILABLE", http.StatusServiceUnavailable},
}

// requestAnswers has every code of a routeError.
var requestAnswers = map[string]int{
	codeBlobUploadInvalid:       http.StatusBadRequest,
	codeBlobUploadUnknown:       http.StatusNotFound,
	codeDigestInvalid:           http.StatusBadRequest,
	codeManifestUnknown:         http.StatusNotFound,
	codeNameInvalid:             http.StatusBadRequest,
	codeNameUnknown:             http.StatusNotFound,
	codePaginationNumberInvalid: http.StatusBadRequest,
	codeTagInvalid:              http.StatusBadRequest,
	codeUnsupported:             http.StatusMethodNotAllowed,
	codeUnsupportedMedia:        http.StatusUnsupportedMediaType,
	codePreconditionFailed:      http.StatusPreconditionFailed,
	codeTooManyRequests:         http.StatusTooManyRequests,
	codeURITooLong:              http.StatusRequestURITooLong,
}

// What has no code of its own in the specs goes out under the one that comes next to it.
const (
	codePreconditionFailed = "PRECONDITION_FAILED"
	codeTooManyRequests    = "TOOMANYREQUESTS"
	codeUnsupportedMedia   = "UNSUPPORTED_MEDIA"
	codeURITooLong         = "URI_TOO_LONG"
)

// An ETag is a digest, so a condition on it that does not hold is about a digest.
var wireCodes = map[string]string{codePreconditionFailed: codeDigestInvalid, codeUnsupportedMedia: codeUnsupported, codeURITooLong: codeTagInvalid}

// errorBody is the error form of the spec.
type errorBody struct {
	Errors []errorItem `json:"errors"`
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

// The sentences for failures that are not the client's. What went wrong inside is for the log.
const (
	messageUnavailable = "the registry cannot reach its store or is shutting down, try again in a moment"
	messageInternal    = "something went wrong inside the registry, try again or show its operator the request id of this answer"
)

// explain gives the status and body for an error, and when to come back (0 for no such hint).
func explain(err error) (status int, body errorBody, retry time.Duration) {
	var request *routeError
	if errors.As(err, &request) {
		code := request.code
		if wire, ok := wireCodes[code]; ok {
			code = wire
		}
		if request.code == codeTooManyRequests {
			retry = time.Second
		}
		return requestAnswers[request.code], errorBody{[]errorItem{{Code: code, Message: request.message}}}, retry
	}
	for i, e := range storage.Errors(err) {
		a := storageAnswers[e.Code]
		if i == 0 {
			status = a.status
		}
		body.Errors = append(body.Errors, errorItem{Code: a.code, Message: e.Message, Detail: e.Detail})
	}
	if status != 0 {
		return status, body, 0
	}
	code, message := storage.CodeOf(err), messageInternal
	if code == storage.Unavailable || code == storage.Canceled {
		message, retry = messageUnavailable, max(storage.RetryAfter(err), time.Second)
	}
	a := storageAnswers[code]
	return a.status, errorBody{[]errorItem{{Code: a.code, Message: message}}}, retry
}

// writeError is the one place that answers with an error. A HEAD has no body.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, body, retry := explain(err)
	header := w.Header()
	var request *routeError
	if errors.As(err, &request) {
		for _, method := range request.allow {
			header.Add("Allow", method)
		}
	}
	if retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	content, jsonErr := json.Marshal(body)
	if jsonErr != nil {
		panic(jsonErr) // details are maps of strings and numbers
	}
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that is gone is in the log by its missing bytes
	}
}
