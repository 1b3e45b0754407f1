package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
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
	open   func(off int64) (io.ReadCloser, error)
	off    int64
	reader io.ReadCloser // at off; nil when nothing is open
	closed bool
}

var errClosed = errors.New("the blob is closed")

// newBlob reads what p points at. The context governs every read.
func (r *Registry) newBlob(ctx context.Context, d digest.Digest, p *pointer) *Blob {
	open := func(off int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(p.Inline[off:])), nil
	}
	if !p.inline() {
		open = func(off int64) (io.ReadCloser, error) {
			body, info, err := r.driver.Open(ctx, r.keys.data(p.Data), off, -1)
			if err != nil {
				return nil, fmt.Errorf("read the data of %s: %w", d, err)
			}
			if info.Size != p.Size {
				body.Close()
				return nil, fmt.Errorf("data %s of %s has %d bytes where its pointer says %d", p.Data, d, info.Size, p.Size)
			}
			return body, nil
		}
	}
	return &Blob{Descriptor: Descriptor{Digest: d, Size: p.Size}, open: open}
}

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
		reader, err := b.open(b.off)
		if err != nil {
			return 0, err
		}
		b.reader = reader
	}
	n, err := b.reader.Read(p)
	b.off += int64(n)
	if err == io.EOF && b.off < b.Size {
		err = io.ErrUnexpectedEOF
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
