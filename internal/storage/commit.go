package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// Commit ends an upload, with the last chunk where it has a body, and makes the blob one of this repository. Nothing is seen of it before its
// pointer is written; everything after that can be done again, so that a repeated Commit succeeds too. After a failure with DigestInvalid the upload
// stands where it stood: that is the Upload returned, behind newer checkpoints if the chunk had come to any before it was dropped. With RangeInvalid the
// Upload returned is where to go on.
func (r *Repository) Commit(ctx context.Context, up Upload, want digest.Digest, chunk Chunk) (Descriptor, Upload, error) {
	return r.end(ctx, up, ending{digest: want}, chunk)
}

// ending is what the client says that its upload has become.
type ending struct {
	digest digest.Digest // or, where it is empty,
	tarSum reference.TarSum
	once   bool // nobody could come back for it
}

// algorithm is what bytes are hashed with that were not hashed yet.
func (e ending) algorithm() digest.Algorithm {
	if e.digest == "" {
		return digest.SHA256
	}
	return e.digest.Algorithm()
}

// end is Commit for either name.
func (r *Repository) end(ctx context.Context, up Upload, want ending, chunk Chunk) (Descriptor, Upload, error) {
	if err := r.registry.writable(); err != nil {
		return Descriptor{}, up, err
	}
	if r.registry.opts.Now().Sub(up.Started) > longestUpload {
		return Descriptor{}, up, uploadUnknown() // its bytes may be taken for abandoned any moment
	}
	up, err := r.position(ctx, up, chunk.Start)
	if errors.As(err, new(over)) {
		blob, err := r.again(ctx, want, up.Offset, err)
		return blob, up, err
	}
	if err != nil {
		return Descriptor{}, up, err
	}
	if up.Offset == 0 {
		up.Algorithm, up.session = want.algorithm(), drivers.Session{}
	}
	return r.finish(ctx, up, want, chunk)
}

// finish takes the way that costs least: a small body is held by its pointer, a larger one goes through the driver.
func (r *Repository) finish(ctx context.Context, up Upload, want ending, chunk Chunk) (Descriptor, Upload, error) {
	if chunk.Body == nil {
		chunk.Body = bytes.NewReader(nil)
	}
	head, rest, err := peek(chunk)
	if err != nil && superseded(ctx) {
		up, err = r.takenOver(ctx, up)
		return Descriptor{}, up, err
	}
	if err != nil {
		return Descriptor{}, up, cutOff(err)
	}
	if up.Offset == 0 && rest == nil {
		blob, err := r.commitInline(ctx, want, head)
		return blob, up, err
	}

	if len(head) > 0 {
		chunk.Body = bytes.NewReader(head)
		if rest != nil {
			chunk.Body = io.MultiReader(chunk.Body, rest)
		}
		verify := want.digest
		if up.Algorithm != want.algorithm() {
			verify = ""
		}
		next, err := r.stream(ctx, up, chunk, verify)
		if CodeOf(err) == BlobUploadUnknown {
			blob, err := r.again(ctx, want, up.Offset+int64(len(head)), err)
			return blob, up, err
		}
		if err != nil {
			return Descriptor{}, next, err
		}
		blob, end, err := r.commitData(ctx, next, want)
		if err != nil && !end.fits() {
			end = up
		}
		return blob, end, err
	}
	return r.commitData(ctx, up, want)
}

// peek reads as much of a chunk as a pointer can hold. rest is nil when that was all of it, and it was as long as it had to be.
func peek(chunk Chunk) (head []byte, rest io.Reader, err error) {
	head, err = io.ReadAll(io.LimitReader(chunk.Body, inlineLimit+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", errBody, err)
	case len(head) > inlineLimit:
		return head, chunk.Body, nil
	case chunk.Length >= 0 && int64(len(head)) != chunk.Length:
		return nil, nil, fail(SizeInvalid, "the body has another length than its Content-Range, send as many bytes as the range has", nil)
	}
	return head, nil, nil
}

// commitInline makes a blob of content that a pointer can hold.
func (r *Repository) commitInline(ctx context.Context, want ending, content []byte) (Descriptor, error) {
	if want.digest == "" {
		return r.inlineTarSum(ctx, want.tarSum, content)
	}
	if got := want.digest.Algorithm().FromBytes(content); got != want.digest {
		return Descriptor{}, digestMismatch(want.digest, got)
	}
	return r.publish(ctx, want.digest, pointer{Size: int64(len(content)), Inline: content})
}

// commitData makes a blob of what the upload has stored.
func (r *Repository) commitData(ctx context.Context, up Upload, want ending) (Descriptor, Upload, error) {
	closed, blob, err := r.closeData(ctx, up, want)
	if CodeOf(err) == BlobUploadUnknown || errors.Is(err, drivers.ErrNotFound) || errors.Is(err, drivers.ErrPrecondition) {
		blob, err = r.again(ctx, want, up.Offset, err)
	}
	return blob, closed, err
}

// closeData closes the upload, then makes its bytes an object, then the blob. Bytes that were hashed in another way have to be read first, to see whether
// they are the right ones.
func (r *Repository) closeData(ctx context.Context, up Upload, as ending) (Upload, Descriptor, error) {
	if as.digest == "" {
		return r.closeTarSum(ctx, up, as)
	}
	want := as.digest
	if up.Algorithm != want.Algorithm() {
		return r.closeRehashed(ctx, up, want)
	}
	hash, err := up.newHash()
	if err != nil {
		return up, Descriptor{}, err
	}
	if got := digest.NewDigest(up.Algorithm, hash); got != want {
		return up, Descriptor{}, digestMismatch(want, got)
	}
	if up, err = r.close(ctx, up, want, ""); err != nil {
		return up, Descriptor{}, err
	}
	if _, err := r.registry.driver.Commit(ctx, up.session); err != nil {
		return up, Descriptor{}, err
	}
	blob, err := r.publish(ctx, want, pointer{Size: up.Offset, Data: path.Base(up.session.Key)})
	return up, blob, err
}

func (r *Repository) closeRehashed(ctx context.Context, up Upload, want digest.Digest) (Upload, Descriptor, error) {
	if _, err := r.registry.driver.Commit(ctx, up.session); err != nil {
		return up, Descriptor{}, err
	}
	data, err := r.rehash(ctx, up.session, want)
	if err != nil {
		return up, Descriptor{}, err
	}
	if up, err = r.close(ctx, up, want, data); err != nil {
		return up, Descriptor{}, err
	}
	blob, err := r.publish(ctx, want, pointer{Size: up.Offset, Data: data})
	return up, blob, err
}

// rehash reads the bytes of a committed session back and stores them anew, for a digest of another algorithm than they were hashed with, and gives the
// id of the new data. It is for a client that gave no digest-algorithm with its POST and closes with another algorithm than the default, and for that
// alone. The bytes are not shared with the session's own, because the upload can be closed once more, under a digest of its own algorithm: data that
// two pointers named would go with the first of them.
func (r *Repository) rehash(ctx context.Context, s drivers.Session, want digest.Digest) (data string, err error) {
	driver := r.registry.driver
	body, _, err := driver.Open(ctx, s.Key, 0, -1)
	if errors.Is(err, drivers.ErrNotFound) {
		return "", uploadUnknown() // it was closed before, and its bytes were there already
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	src := &source{ctx: ctx, body: body, hash: want.Algorithm().Hash(), left: -1, want: want}
	copied, err := driver.Append(ctx, drivers.Session{}, r.registry.keys.data(r.registry.newID()), src, nil)
	if err != nil {
		return "", fmt.Errorf("read back for %s: %w", want.Algorithm(), err)
	}
	_, err = driver.Commit(ctx, copied)
	return path.Base(copied.Key), err
}

// publish is the commit point: the pointer, then the link. Bytes that were there before are dropped last: a client whose link failed closes its upload
// once more, and would find it gone with them.
func (r *Repository) publish(ctx context.Context, d digest.Digest, mine pointer) (Descriptor, error) {
	p, _, err := r.registry.lead(ctx, d, mine)
	if err != nil {
		return Descriptor{}, err
	}
	if err := r.link(ctx, d); err != nil {
		return Descriptor{}, fmt.Errorf("link %s: %w", d, err)
	}
	r.registry.dropSurplus(ctx, mine, p)
	return Descriptor{Digest: d, Size: p.Size}, nil
}
