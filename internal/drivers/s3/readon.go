package s3

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// readOnTries is how often in a row a body is asked for again without a byte of it coming.
const readOnTries = 3

// object is the body of a GET that outlives the connection it comes by: if that breaks, it goes on behind the last byte, in the same object. A store that
// stands still is not asked again. It is not for concurrent use.
type object struct {
	driver *Driver
	ctx    context.Context
	key    string
	etag   string
	off    int64 // of the next byte
	left   int64 // behind it
	body   *movingBody
	tries  int // since a byte came
}

func (o *object) Read(p []byte) (int, error) {
	for {
		n, err := o.body.Read(p)
		o.off, o.left = o.off+int64(n), o.left-int64(n)
		if n > 0 {
			o.tries = 0
		}
		switch {
		case err == nil:
			return n, nil
		case o.left == 0 || err == io.EOF:
			return n, io.EOF
		case !o.readOn():
			return n, err
		case n > 0:
			return n, nil
		}
	}
}

// readOn asks for what is left, and says whether that comes.
func (o *object) readOn() bool {
	if o.tries == readOnTries || o.ctx.Err() != nil || o.body.stalled() {
		return false
	}
	o.tries++
	body, out, err := o.driver.get(o.ctx, &s3.GetObjectInput{
		Bucket: &o.driver.config.Bucket, Key: o.driver.at(o.key), Range: aws.String(byteRange(o.off, o.left)), IfMatch: aws.String(o.etag),
	})
	if err != nil {
		return false
	}
	if !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", o.off)) || aws.ToString(out.ETag) != o.etag {
		body.Close()
		return false
	}
	o.body.Close()
	o.body = body
	return true
}

func (o *object) Close() error { return o.body.Close() }
