package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/registryd/registryd/internal/drivers"
)

// Stat is one HEAD.
func (d *Driver) Stat(ctx context.Context, key string) (drivers.Info, error) {
	if err := drivers.CheckKey(key); err != nil {
		return drivers.Info{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.config.Bucket, Key: d.at(key)})
	if err != nil {
		return drivers.Info{}, explain(ctx, "stat", key, err)
	}
	return drivers.Info{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), ModTime: aws.ToTime(out.LastModified)}, nil
}

// Open is one GET. The body is streamed as it comes; each time that its connection breaks, one more GET goes on behind what has come.
func (d *Driver) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, drivers.Info, error) {
	if err := drivers.CheckKey(key); err != nil {
		return nil, drivers.Info{}, err
	}
	if off < 0 {
		return nil, drivers.Info{}, fmt.Errorf("open %s: the offset %d is negative", key, off)
	}
	if n == 0 {
		return d.openNothing(ctx, key)
	}
	in := &s3.GetObjectInput{Bucket: &d.config.Bucket, Key: d.at(key)}
	if off > 0 || n > 0 {
		in.Range = aws.String(byteRange(off, n))
	}
	body, out, err := d.get(ctx, in)
	if err != nil {
		if status(err) == http.StatusRequestedRangeNotSatisfiable {
			return d.openNothing(ctx, key)
		}
		return nil, drivers.Info{}, explain(ctx, "open", key, err)
	}
	info := drivers.Info{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag), ModTime: aws.ToTime(out.LastModified)}
	left := info.Size
	if in.Range != nil {
		if info.Size, err = totalOf(aws.ToString(out.ContentRange)); err != nil {
			body.Close()
			return nil, drivers.Info{}, fmt.Errorf("open %s: %w", key, err)
		}
		if left = info.Size - off; n > 0 {
			left = min(left, n)
		}
	}
	return &object{driver: d, ctx: ctx, key: key, etag: info.ETag, off: off, left: left, body: body}, info, nil
}

// get is one GET.
func (d *Driver) get(ctx context.Context, in *s3.GetObjectInput) (*movingBody, *s3.GetObjectOutput, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	out, err := d.client.GetObject(ctx, in)
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	return newMovingBody(ctx, out.Body, cancel), out, nil
}

// openNothing is for a range that holds no byte, which HTTP cannot ask for.
func (d *Driver) openNothing(ctx context.Context, key string) (io.ReadCloser, drivers.Info, error) {
	info, err := d.Stat(ctx, key)
	if err != nil {
		return nil, info, err
	}
	return io.NopCloser(bytes.NewReader(nil)), info, nil
}

func byteRange(off, n int64) string {
	if n < 0 || n > math.MaxInt64-off {
		return fmt.Sprintf("bytes=%d-", off)
	}
	return fmt.Sprintf("bytes=%d-%d", off, off+n-1)
}

// totalOf reads the size of the whole object from a Content-Range.
func totalOf(contentRange string) (int64, error) {
	_, total, ok := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("the store answered with the Content-Range %q", contentRange)
	}
	return size, nil
}

func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// protect adds what every new object is to have.
func (d *Driver) protect(in *s3.PutObjectInput) {
	in.ServerSideEncryption, in.SSEKMSKeyId = d.encryption()
	in.StorageClass = types.StorageClass(d.config.StorageClass)
}

func (d *Driver) encryption() (types.ServerSideEncryption, *string) {
	switch {
	case !d.config.Encrypt:
		return "", nil
	case d.config.KeyID != "":
		return types.ServerSideEncryptionAwsKms, &d.config.KeyID
	}
	return types.ServerSideEncryptionAes256, nil
}

// deleteBatch is how many keys one request deletes, at most.
const deleteBatch = 1000

// Delete is one request for each thousand keys.
func (d *Driver) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := drivers.CheckKey(key); err != nil {
			return err
		}
	}
	for len(keys) > 0 {
		batch := keys[:min(len(keys), deleteBatch)]
		keys = keys[len(batch):]
		if err := d.deleteSome(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) deleteSome(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	if len(keys) == 1 {
		_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &d.config.Bucket, Key: d.at(keys[0])})
		if err = explain(ctx, "delete", keys[0], err); errors.Is(err, drivers.ErrNotFound) {
			return nil
		}
		return err
	}
	what := fmt.Sprintf("%s and %d more", keys[0], len(keys)-1)
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i].Key = d.at(key)
	}
	out, err := d.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &d.config.Bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	}, withContentMD5)
	if err != nil {
		return explain(ctx, "delete", what, err)
	}
	for _, failed := range out.Errors {
		switch code := aws.ToString(failed.Code); code {
		case "NoSuchKey":
		case "AccessDenied": // this object is locked; others may not be
			return fmt.Errorf("delete %s: %s: %s", aws.ToString(failed.Key), code, aws.ToString(failed.Message))
		default:
			return &drivers.Unavailable{Err: fmt.Errorf("delete %s: %s: %s", aws.ToString(failed.Key), code, aws.ToString(failed.Message))}
		}
	}
	return nil
}

// remaining is how many bytes are left to read.
func remaining(body io.Seeker) (int64, error) {
	here, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = body.Seek(here, io.SeekStart)
	return end - here, err
}
