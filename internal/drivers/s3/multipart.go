package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // it is how S3 makes ETags
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/registryd/registryd/internal/drivers"
)

// completeTimeout is how long the store may take to put the parts together. S3 keeps the connection alive with blanks meanwhile.
const completeTimeout = 5 * time.Minute

// tokenName is where an object's metadata names the upload that made it.
const tokenName = "registryd-upload"

// create begins the multipart upload to the fresh key.
func (a *appender) create() error {
	token := rand.Text()[:13]
	in := &s3.CreateMultipartUploadInput{
		Bucket: &a.config.Bucket, Key: a.at(a.fresh), Metadata: map[string]string{tokenName: token},
		StorageClass: types.StorageClass(a.config.StorageClass),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = a.encryption()
	out, err := a.client.CreateMultipartUpload(a.ctx, in)
	if err != nil {
		return explain(a.ctx, "begin the upload to", a.fresh, err)
	}
	a.key, a.created = a.fresh, true
	a.state.Upload, a.state.Token = aws.ToString(out.UploadId), token
	return nil
}

// uploadPart fails with ErrNotFound for an upload that is over. Some stores hang up on such a part before they have said so; then the object is looked for
// that was made of the upload.
func (d *Driver) uploadPart(ctx context.Context, key, upload string, number int, b *body) (etag string, err error) {
	size := b.total()
	out, err := d.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &d.config.Bucket, Key: d.at(key), UploadId: &upload, PartNumber: aws.Int32(int32(number)), Body: b, ContentLength: &size,
	}, unsignedPayload)
	if err == nil {
		return aws.ToString(out.ETag), nil
	}
	hungUp := status(err) == 0
	err = explain(ctx, "upload part "+strconv.Itoa(number)+" of", key, err)
	if hungUp && errors.Is(err, drivers.ErrUnavailable) && d.made(ctx, key) {
		return "", fmt.Errorf("%w: %v", drivers.ErrNotFound, err)
	}
	return "", err
}

// made says whether the object of an upload is there already. It does not ask for long: memory waits for the answer.
func (d *Driver) made(ctx context.Context, key string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := d.Stat(ctx, key)
	return err == nil
}

// abortMultipart drops the parts of an upload. That it is gone is no error.
func (d *Driver) abortMultipart(ctx context.Context, key, upload string) error {
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	_, err := d.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &d.config.Bucket, Key: d.at(key), UploadId: &upload})
	if err = explain(ctx, "abort the upload to", key, err); errors.Is(err, drivers.ErrNotFound) {
		return nil
	}
	return err
}

// Commit completes the multipart upload, naming each part by its ETag. What is no more than a tail is an object already.
func (d *Driver) Commit(ctx context.Context, s drivers.Session) (drivers.Info, error) {
	if s.Key == "" {
		return drivers.Info{}, fmt.Errorf("commit of a session that has no bytes: %w", drivers.ErrNotFound)
	}
	st, err := decode(s)
	if err != nil {
		return drivers.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return drivers.Info{}, err
	}
	info := drivers.Info{Key: s.Key, Size: s.Offset, ETag: st.Tail.ETag, ModTime: time.Now()}
	if st.Upload != "" {
		info, err = d.complete(ctx, s, st)
	}
	if err != nil {
		return drivers.Info{}, err
	}
	spent := st.Obsolete
	if st.Upload != "" && st.Tail.Key != "" {
		spent = append(spent, st.Tail.Key)
	}
	_ = d.Delete(ctx, spent...) // nothing names them any more: what stays is found by its age
	return info, nil
}

func (d *Driver) complete(ctx context.Context, s drivers.Session, st *state) (drivers.Info, error) {
	parts := st.Parts
	if st.Tail.Key != "" {
		p := part{Number: d.newPlan().next(st.last()), Size: st.Tail.Size}
		b := &body{ctx: ctx, driver: d, tail: st.Tail}
		etag, err := d.uploadPart(ctx, s.Key, st.Upload, p.Number, b)
		b.release()
		if errors.Is(err, drivers.ErrNotFound) {
			return d.completed(ctx, s, st)
		}
		if err != nil {
			return drivers.Info{}, err
		}
		p.ETag = etag
		parts = append(parts[:len(parts):len(parts)], p)
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &d.config.Bucket, Key: d.at(s.Key), UploadId: &st.Upload, MultipartUpload: &types.CompletedMultipartUpload{}}
	for _, p := range parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(p.ETag)})
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	out, err := d.client.CompleteMultipartUpload(ctx, in)
	switch code := errorCode(err); {
	case err == nil && st.other(parts, aws.ToString(out.ETag)):
		return drivers.Info{}, fmt.Errorf("the store says it completed other parts of %s: %w", s.Key, drivers.ErrPrecondition)
	case err == nil:
		return drivers.Info{Key: s.Key, Size: s.Offset, ETag: aws.ToString(out.ETag), ModTime: time.Now()}, nil
	case code == "NoSuchUpload":
		return d.completed(ctx, s, st)
	case code == "InvalidPart" || code == "InvalidPartOrder":
		return drivers.Info{}, fmt.Errorf("another request has overwritten a part of %s: %w", s.Key, drivers.ErrPrecondition)
	}
	return drivers.Info{}, explain(ctx, "complete", s.Key, err)
}

// other says that an object cannot be made of these parts, as far as its ETag is one that follows from them.
func (s *state) other(parts []part, etag string) bool {
	want := (&state{Parts: parts}).composite()
	return want != "" && len(etag) == len(want) && strings.Contains(etag, "-") && etag != want
}

// completed answers for an upload that the store no longer has: if its object is there, made by this upload, of this size and of these parts, then it
// was completed and the answer was lost.
func (d *Driver) completed(ctx context.Context, s drivers.Session, st *state) (drivers.Info, error) {
	head, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.config.Bucket, Key: d.at(s.Key)})
	if err != nil {
		return drivers.Info{}, explain(ctx, "look for the completed", s.Key, err)
	}
	etag := aws.ToString(head.ETag)
	if head.Metadata[tokenName] != st.Token || aws.ToInt64(head.ContentLength) != s.Offset || etag != st.composite() {
		return drivers.Info{}, fmt.Errorf("commit %s: %w", s.Key, drivers.ErrPrecondition)
	}
	return drivers.Info{Key: s.Key, Size: s.Offset, ETag: etag, ModTime: aws.ToTime(head.LastModified)}, nil
}

// composite is the ETag of the object that parts and tail become: the MD5 of their MD5s, and their number. It is empty where ETags are something
// else (encryption with KMS): a lost answer is then an upload that starts over.
func (s *state) composite() string {
	sums := md5.New() //nolint:gosec // as above
	n := len(s.Parts)
	etags := make([]string, 0, n+1)
	for _, p := range s.Parts {
		etags = append(etags, p.ETag)
	}
	if s.Tail.Key != "" {
		etags = append(etags, s.Tail.ETag)
		n++
	}
	for _, etag := range etags {
		sum, ok := md5Of(etag)
		if !ok {
			return ""
		}
		sums.Write(sum)
	}
	return `"` + hex.EncodeToString(sums.Sum(nil)) + "-" + strconv.Itoa(n) + `"`
}

// Abort drops the parts of a multipart upload, and its tails. What is a single object may have been committed by now, and stays until it is found by
// its age.
func (d *Driver) Abort(ctx context.Context, s drivers.Session) error {
	st, err := decode(s)
	if errors.Is(err, drivers.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || st.Upload == "" {
		return err
	}
	if err := d.abortMultipart(ctx, s.Key, st.Upload); err != nil {
		return err
	}
	spent := st.Obsolete
	if st.Tail.Key != "" {
		spent = append(spent, st.Tail.Key)
	}
	return d.Delete(ctx, spent...)
}
