package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// Descriptor is what is known of a blob without reading it.
type Descriptor struct {
	Digest digest.Digest
	Size   int64 // bytes
}

// Blob reads the bytes of a blob like a file. It opens the object when it is first read after a Seek, so that seeking is free, and must be closed. Not
// for use by several goroutines at once.
type Blob struct {
	Descriptor
	ctx    context.Context // governs every read
	repo   *Repository
	at     place
	bound  int64 // no Read goes behind it, as far as its caller has promised
	off    int64
	reader io.ReadCloser // at off; nil when nothing is open
	closed bool
}

var errClosed = errors.New("the blob is closed")

// RedirectURL is where a client can fetch the blob from the store itself; empty where it cannot. It is a secret.
func (b *Blob) RedirectURL(ctx context.Context) (string, error) {
	store, ok := drivers.As[drivers.Redirector](b.repo.registry.driver)
	if !ok || b.at.inline() {
		return "", nil
	}
	if b.at.remembered && !b.repo.registry.stays(b.at.seen) { // nobody would tell us that the data is gone
		if err := b.renew(); err != nil {
			return "", err
		}
		return b.RedirectURL(ctx)
	}
	return store.RedirectURL(ctx, b.key())
}

// newBlob reads what was found. The context governs every read.
func (r *Repository) newBlob(ctx context.Context, d digest.Digest, at place) *Blob {
	return &Blob{Descriptor: Descriptor{Digest: d, Size: at.Size}, ctx: ctx, repo: r, at: at, bound: at.Size}
}

// key is that of the object that holds the bytes, where the pointer does not.
func (b *Blob) key() string { return b.repo.registry.keys.bytes(b.Digest, b.at.pointer) }

// open starts to read. Data that is not where a remembered pointer says is looked for once more.
func (b *Blob) open(off, n int64) (io.ReadCloser, error) {
	if b.at.inline() {
		return io.NopCloser(bytes.NewReader(b.at.Inline[off:])), nil
	}
	body, info, err := b.repo.registry.driver.Open(b.ctx, b.key(), off, n)
	other := err == nil && info.Size != b.Size
	if other {
		body.Close()
	}
	if (errors.Is(err, drivers.ErrNotFound) || other) && b.at.remembered {
		if err := b.renew(); err != nil {
			return nil, err
		}
		return b.open(off, n)
	}
	if err != nil {
		return nil, fmt.Errorf("read the data of %s: %w", b.Digest, err)
	}
	if other {
		return nil, fmt.Errorf("data %s of %s has %d bytes where its pointer says %d", b.at.Data, b.Digest, info.Size, b.Size)
	}
	return body, nil
}

// renew reads the pointer again in the place of one that was remembered.
func (b *Blob) renew() error {
	b.repo.registry.cache.forget(b.Digest)
	at, err := b.repo.locateAnew(b.ctx, b.Digest)
	if err != nil {
		return err
	}
	if at.pointer == nil {
		return blobUnknown(b.Digest)
	}
	if at.Size != b.Size {
		return fmt.Errorf("blob %s was said to have %d bytes and has %d", b.Digest, b.Size, at.Size)
	}
	b.at = at
	return nil
}

// Bound says that nothing behind end will be read, so that no more is asked of the store. What is read there all the same costs another request.
func (b *Blob) Bound(end int64) { b.bound = min(max(end, 0), b.Size) }

// Read reads from where the blob stands. At the end, and behind it, it gives io.EOF.
func (b *Blob) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errClosed
	}
	if b.off >= b.Size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.reader == nil {
		if b.off >= b.bound {
			b.bound = b.Size
		}
		reader, err := b.open(b.off, b.bound-b.off)
		if err != nil {
			return 0, err
		}
		b.reader = reader
	}
	n, err := b.reader.Read(p)
	b.off += int64(n)
	if err == io.EOF && b.off < b.Size {
		if b.off < b.bound {
			return n, io.ErrUnexpectedEOF
		}
		return n, b.release() // the next Read asks for more
	}
	return n, err
}

// Seek says where the next Read starts. Only a place before the start is refused.
func (b *Blob) Seek(offset int64, whence int) (int64, error) {
	if b.closed {
		return 0, errClosed
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += b.off
	case io.SeekEnd:
		offset += b.Size
	default:
		return 0, fmt.Errorf("seek: unknown whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek: before the start of the blob")
	}
	if offset != b.off {
		if err := b.release(); err != nil {
			return 0, err
		}
		b.off = offset
	}
	return offset, nil
}

// Close gives up what is open. To close twice is no error.
func (b *Blob) Close() error {
	b.closed = true
	return b.release()
}

func (b *Blob) release() error {
	if b.reader == nil {
		return nil
	}
	err := b.reader.Close()
	b.reader = nil
	return err
}
