package storage

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// source hashes a request's body on its way to the driver and holds its end back until it is known to be right.
type source struct {
	ctx  context.Context // of the request: the driver works on when the client is gone, reading does not
	body io.Reader
	hash hash.Hash
	left int64         // bytes the body must still have; negative when it did not say
	want digest.Digest // of everything up to the end of the body; empty when it is not the end of the blob
	once bool          // what is cut off is dropped
	held func(context.Context) bool
}

// Read gives io.EOF only when the body ended where and as it should. Every other end that is the client's mistake wraps drivers.ErrDiscard; a body
// that was merely cut off does not, nor does one that another request has taken over: what would be dropped is what the other goes on from.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, s.ended(err)
	}
	n, err := s.body.Read(p)
	s.hash.Write(p[:n])
	if s.left >= 0 {
		s.left -= int64(n)
		if s.left < 0 {
			return 0, s.discard(fail(SizeInvalid, "the body is longer than its Content-Range says, send as many bytes as the range has", nil))
		}
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBody, err)
		if s.once {
			err = s.discard(err)
		}
		return n, s.ended(err)
	}
	if err == io.EOF {
		if s.left > 0 {
			return n, fmt.Errorf("%w: %d bytes are missing", errBody, s.left)
		}
		if s.want != "" {
			if got := digest.NewDigest(s.want.Algorithm(), s.hash); got != s.want {
				return n, s.discard(digestMismatch(s.want, got))
			}
		}
	}
	return n, err
}

// Mark is the state of the hash.
func (s *source) Mark() ([]byte, error) {
	state, ok := s.hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("this hash cannot be kept")
	}
	return state.MarshalBinary()
}

// ended is err, unless the request came to its end because another has taken over.
func (s *source) ended(err error) error {
	if superseded(s.ctx) {
		return ErrTakenOver
	}
	return err
}

func (s *source) discard(err error) error {
	if s.held != nil && !s.held(s.ctx) {
		return ErrTakenOver
	}
	return s.ended(fmt.Errorf("%w: %w", drivers.ErrDiscard, err))
}

// watchedSource is a source that is told how far the driver came.
type watchedSource struct {
	*source
	reached func(drivers.Session)
}

var _ drivers.Watcher = watchedSource{}

func (s watchedSource) Reached(session drivers.Session) { s.reached(session) }

func digestMismatch(want, got digest.Digest) error {
	return fail(DigestInvalid, "the content does not have the digest given, send it again or give its true digest",
		map[string]string{"given": want.String(), "computed": got.String()})
}
