package teststore

import (
	"net/http/httptest"
	"testing"
)

func TestOperation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, target, copies, want string }{
		{"GET", "/bucket/some/key", "", "GetObject"},
		{"GET", "/bucket/some/key?x-id=GetObject", "", "GetObject"},
		{"HEAD", "/bucket/some/key", "", "HeadObject"},
		{"PUT", "/bucket/some/key?x-id=PutObject", "", "PutObject"},
		{"PUT", "/bucket/some/key", "/bucket/other", "CopyObject"},
		{"DELETE", "/bucket/some/key", "", "DeleteObject"},
		{"PATCH", "/bucket/some/key", "", "PATCH of an object"},
		{"POST", "/bucket/some/key?uploads=", "", "CreateMultipartUpload"},
		{"PUT", "/bucket/some/key?partNumber=1&uploadId=a", "", "UploadPart"},
		{"PUT", "/bucket/some/key?partNumber=1&uploadId=a", "/bucket/other", "UploadPartCopy"},
		{"POST", "/bucket/some/key?uploadId=a", "", "CompleteMultipartUpload"},
		{"DELETE", "/bucket/some/key?uploadId=a", "", "AbortMultipartUpload"},
		{"GET", "/bucket/some/key?uploadId=a", "", "ListParts"},
		{"GET", "/bucket?uploads=", "", "ListMultipartUploads"},
		{"GET", "/bucket/?list-type=2&prefix=some%2Fkey", "", "ListObjectsV2"},
		{"POST", "/bucket?delete=", "", "DeleteObjects"},
		{"HEAD", "/bucket", "", "HeadBucket"},
		{"PUT", "/bucket/", "", "CreateBucket"},
		{"DELETE", "/bucket", "", "DeleteBucket"},
		{"GET", "/bucket?versioning=", "", "GET of the bucket"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if c.copies != "" {
			r.Header.Set("X-Amz-Copy-Source", c.copies)
		}
		if got := Operation(r); got != c.want {
			t.Errorf("%s %s is %s, want %s", c.method, c.target, got, c.want)
		}
	}
}
