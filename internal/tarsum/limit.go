package tarsum

import (
	"fmt"
	"io"
)

// counter counts what is read of the content, and keeps the error that ended it: what goes wrong with the archive is not the fault of the store.
type counter struct {
	r      io.Reader
	length int64
	err    error // other than io.EOF
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.length += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// limited is an archive, read in pieces, that may not become much longer than the content that it is unpacked from.
type limited struct {
	bounds
	r      io.Reader
	source *counter
	length int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), pieces)])
	l.length += int64(n)
	if l.length > l.most(l.source) {
		return n, l.tooLong()
	}
	return n, err
}

// most is how long an archive may be by now. It grows with what was read, so that it needs no length in advance.
func (b bounds) most(source *counter) int64 { return b.free + b.ratio*source.length }

func (b bounds) tooLong() error {
	return fmt.Errorf("%w: it becomes more than %d times longer when it is unpacked; send it unpacked, and files without holes", ErrArchive, b.ratio)
}
