package teststore

import (
	"net/http"
	"strings"
)

// Operation is what S3 calls a request: GetObject, UploadPart, ListObjectsV2... It knows those that the driver sends, to a bucket that stands in the path.
// Of others it gives the method and whether they are about the bucket.
func Operation(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Has("uploads") || query.Has("uploadId"):
		return multipart(r)
	case query.Has("delete"):
		return "DeleteObjects"
	case query.Has("list-type"):
		return "ListObjectsV2"
	case strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0:
		return ofBucket(r)
	case r.Method == http.MethodPut && r.Header.Get(copySource) != "":
		return "CopyObject"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	}
	return r.Method + " of an object"
}

// copySource is the header by which a request asks the store to copy.
const copySource = "X-Amz-Copy-Source"

func multipart(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case query.Has("uploads") && r.Method == http.MethodPost:
		return "CreateMultipartUpload"
	case query.Has("uploads"):
		return "ListMultipartUploads"
	case query.Has("partNumber") && r.Header.Get(copySource) != "":
		return "UploadPartCopy"
	case query.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodDelete:
		return "AbortMultipartUpload"
	}
	return "ListParts"
}

func ofBucket(r *http.Request) string {
	switch r.Method {
	case http.MethodHead:
		return "HeadBucket"
	case http.MethodPut:
		return "CreateBucket"
	case http.MethodDelete:
		return "DeleteBucket"
	}
	return r.Method + " of the bucket"
}
