package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/internal/drivers"
)

// signedBelow is the size, in bytes, up to which a body's hash is signed along with its request. A store that breaks off in the middle of a body, and
// there are some that then keep what they have, refuses it by that; larger bodies go to keys that nobody reads before their size was confirmed.
const signedBelow = 1 << 20

// Put is one PUT.
func (d *Driver) Put(ctx context.Context, key string, body io.ReadSeeker, cond drivers.Cond) (drivers.Info, error) {
	if err := drivers.CheckKey(key); err != nil {
		return drivers.Info{}, err
	}
	if cond.IfAbsent && cond.IfMatch != "" {
		return drivers.Info{}, fmt.Errorf("put %s: both IfAbsent and IfMatch are set", key)
	}
	if err := ctx.Err(); err != nil {
		return drivers.Info{}, err
	}
	size, err := remaining(body)
	if err != nil {
		return drivers.Info{}, fmt.Errorf("put %s: %w", key, err)
	}
	in := &s3.PutObjectInput{Bucket: &d.config.Bucket, Key: d.at(key), Body: body, ContentLength: &size}
	d.protect(in)
	if cond.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	} else if cond.IfMatch != "" {
		in.IfMatch = &cond.IfMatch
	}
	var options []func(*s3.Options)
	if size > signedBelow {
		options = append(options, unsignedPayload)
	}
	if size <= signedBelow { // a longer body may take its time, as long as it moves
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, smallTimeout)
		defer cancel()
	}
	start, _ := body.Seek(0, io.SeekCurrent)
	ctx, tries := countAttempts(ctx)
	out, err := d.client.PutObject(ctx, in, options...)
	if err == nil {
		return drivers.Info{Key: key, Size: size, ETag: aws.ToString(out.ETag), ModTime: time.Now()}, nil
	}
	err = explain(ctx, "put", key, err)
	if cond.IfMatch != "" && errors.Is(err, drivers.ErrNotFound) {
		err = fmt.Errorf("put %s: %w", key, drivers.ErrPrecondition) // nothing there has another ETag
	}
	if errors.Is(err, drivers.ErrPrecondition) && tries.Load() > 1 {
		return d.putBefore(ctx, key, body, start, err)
	}
	return drivers.Info{}, err
}

// putBefore is for a condition that failed at the second attempt: it may have been the first one, whose answer was lost, that made it fail. Then what
// stands at the key is this very body; our callers' bodies are never twice the same.
func (d *Driver) putBefore(ctx context.Context, key string, body io.ReadSeeker, start int64, failed error) (drivers.Info, error) {
	there, info, err := d.Open(ctx, key, 0, -1)
	if errors.Is(err, drivers.ErrNotFound) {
		return drivers.Info{}, failed
	}
	if err != nil {
		return drivers.Info{}, err
	}
	defer there.Close()
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		return drivers.Info{}, err
	}
	same, err := equal(there, body)
	if err != nil {
		return drivers.Info{}, err
	}
	if !same {
		return drivers.Info{}, failed
	}
	return info, nil
}

// equal compares two streams.
func equal(a, b io.Reader) (bool, error) {
	left, right := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		switch end := errors.Is(errA, io.EOF) || errors.Is(errA, io.ErrUnexpectedEOF); {
		case end && (errors.Is(errB, io.EOF) || errors.Is(errB, io.ErrUnexpectedEOF)):
			return true, nil
		case errA != nil && !end:
			return false, errA
		case errB != nil:
			return false, errB
		}
	}
}
