package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/internal/drivers"
)

var (
	_ drivers.Expirer    = (*Driver)(nil)
	_ drivers.Redirector = (*Driver)(nil)
)

// ExpireUploads aborts multipart uploads by what the store lists of them. It asks for those of the whole bucket, since MinIO lists none for a prefix;
// which are ours it sees for itself.
func (d *Driver) ExpireUploads(ctx context.Context, prefix string, before time.Time, dryRun bool) (int, error) {
	expired := 0
	in := &s3.ListMultipartUploadsInput{Bucket: &d.config.Bucket}
	for {
		page, cancel := context.WithTimeout(ctx, smallTimeout)
		out, err := d.client.ListMultipartUploads(page, in)
		cancel()
		if err != nil {
			return expired, explain(ctx, "list the uploads below", prefix, err)
		}
		for _, upload := range out.Uploads {
			if upload.Initiated == nil || !upload.Initiated.Before(before) || !strings.HasPrefix(aws.ToString(upload.Key), *d.at(prefix)) {
				continue
			}
			if !dryRun {
				if err := d.abortMultipart(ctx, d.key(aws.ToString(upload.Key)), aws.ToString(upload.UploadId)); err != nil {
					return expired, err
				}
			}
			expired++
		}
		if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextKeyMarker) == "" {
			return expired, nil
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

// redirectTime is how long a URL for a client is good, counted until the client begins to fetch.
const redirectTime = 10 * time.Minute

// RedirectURL is a presigned GET.
func (d *Driver) RedirectURL(ctx context.Context, key string) (string, error) {
	if err := drivers.CheckKey(key); err != nil {
		return "", err
	}
	request, err := d.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &d.config.Bucket, Key: d.at(key),
		ResponseContentType: aws.String("application/octet-stream"), ResponseContentDisposition: aws.String("attachment"),
	}, s3.WithPresignExpires(redirectTime))
	if err != nil {
		return "", explain(ctx, "sign a URL of", key, err)
	}
	return request.URL, nil
}
