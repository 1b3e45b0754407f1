package s3

import (
	"context"
	"errors"
	"io"
)

// body is what one request uploads: a tail that is in the store already, and blocks behind it. It can be read again, for a retry; the tail then
// comes from the store once more, and never stands in memory.
type body struct {
	ctx    context.Context
	driver *Driver
	tail   tail
	blocks [][]byte
	size   int64 // of the blocks

	off    int64
	remote io.ReadCloser // the tail, at off
}

func (b *body) total() int64 { return b.tail.Size + b.size }

func (b *body) Read(p []byte) (int, error) {
	if b.off < b.tail.Size {
		return b.readTail(p)
	}
	at := b.off - b.tail.Size
	if at >= b.size {
		return 0, io.EOF
	}
	n := copy(p, b.blocks[at/blockSize][at%blockSize:])
	b.off += int64(n)
	return n, nil
}

func (b *body) readTail(p []byte) (int, error) {
	if b.remote == nil {
		remote, info, err := b.driver.Open(b.ctx, b.tail.Key, b.off, -1)
		if err != nil {
			return 0, err
		}
		if info.Size != b.tail.Size {
			remote.Close()
			return 0, errors.New("the tail of the upload has another size than was written")
		}
		b.remote = remote
	}
	n, err := b.remote.Read(p)
	b.off += int64(n)
	switch {
	case b.off == b.tail.Size:
		b.release()
		err = nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.off
	case io.SeekEnd:
		offset += b.total()
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	if offset != b.off {
		b.release()
		b.off = offset
	}
	return offset, nil
}

func (b *body) release() {
	if b.remote != nil {
		b.remote.Close()
		b.remote = nil
	}
}
