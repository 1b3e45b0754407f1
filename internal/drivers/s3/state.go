package s3

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/registryd/registryd/internal/drivers"
)

// state is what a Session of this driver knows beyond its key and offset. Its bytes are the parts, one after the other, then the tail.
type state struct {
	Upload   string   // id of the multipart upload to the session's key; empty while a tail is all there is
	Token    string   // kept in the metadata of the object that the upload becomes
	Parts    []part   // in order
	Tail     tail     // bytes that are no part yet
	Obsolete []string // keys of tails that came before: whoever presents this Session has no use for them
}

type part struct {
	Number int
	Size   int64
	ETag   string
}

// tail is an object of its own. An upload of one part's size or less is nothing but a tail, at the session's own key.
type tail struct {
	Key  string
	Size int64
	ETag string
}

func (s *state) last() int {
	if len(s.Parts) == 0 {
		return 0
	}
	return s.Parts[len(s.Parts)-1].Number
}

const stateVersion = 1

// encode is short, so that it fits into a token: numbers as differences, ETags in binary, keys without what they share with the session's.
func (s *state) encode(key string) []byte {
	b := []byte{stateVersion}
	b = appendString(b, s.Upload)
	b = appendString(b, s.Token)
	b = appendKey(b, key, s.Tail.Key)
	b = binary.AppendUvarint(b, uint64(s.Tail.Size))
	b = appendETag(b, s.Tail.ETag)
	b = binary.AppendUvarint(b, uint64(len(s.Obsolete)))
	for _, obsolete := range s.Obsolete {
		b = appendKey(b, key, obsolete)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Parts)))
	last := 0
	for _, p := range s.Parts {
		b = binary.AppendUvarint(b, uint64(p.Number-last))
		b = binary.AppendUvarint(b, uint64(p.Size))
		b = appendETag(b, p.ETag)
		last = p.Number
	}
	return b
}

// decode is the inverse of encode, for the session's own state. A session without one has stored nothing.
func decode(session drivers.Session) (*state, error) {
	s := &state{}
	if session.Key == "" && len(session.State) == 0 {
		return s, nil
	}
	if err := drivers.CheckKey(session.Key); err != nil {
		return nil, err
	}
	if len(session.State) == 0 || session.State[0] != stateVersion {
		return nil, fmt.Errorf("the state of upload %s is of an unknown version: %w", session.Key, drivers.ErrNotFound)
	}
	r := &stateReader{rest: session.State[1:], key: session.Key}
	s.Upload, s.Token = r.text(), r.text()
	s.Tail = tail{Key: r.keyText(), Size: r.number(), ETag: r.etag()}
	for range r.count() {
		s.Obsolete = append(s.Obsolete, r.keyText())
	}
	last := 0
	for range r.count() {
		step := r.number()
		p := part{Number: last + int(step), Size: r.number(), ETag: r.etag()}
		if step < 1 || step > maxParts || p.Number > maxParts {
			r.err = errors.Join(r.err, errors.New("the number of a part is malformed"))
			break
		}
		last = p.Number
		s.Parts = append(s.Parts, p)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("it is too long")
	}
	if r.err != nil {
		return nil, fmt.Errorf("the state of upload %s cannot be read: %w", session.Key, r.err)
	}
	return s, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendKey(b []byte, near, key string) []byte {
	shared := 0
	for shared < min(len(near), len(key)) && near[shared] == key[shared] {
		shared++
	}
	return appendString(binary.AppendUvarint(b, uint64(shared)), key[shared:])
}

// appendETag writes the usual form, an MD5 in quotes, in 17 bytes, and any other as it is.
func appendETag(b []byte, etag string) []byte {
	if sum, ok := md5Of(etag); ok {
		return append(append(b, 1), sum...)
	}
	return appendString(append(b, 0), etag)
}

// md5Of reads an ETag that is an MD5.
func md5Of(etag string) ([]byte, bool) {
	if len(etag) != 34 || etag[0] != '"' || etag[33] != '"' {
		return nil, false
	}
	sum, err := hex.DecodeString(etag[1:33])
	return sum, err == nil && hex.EncodeToString(sum) == etag[1:33]
}

type stateReader struct {
	rest []byte
	key  string
	err  error
}

func (r *stateReader) cut(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.err = errors.Join(r.err, errors.New("it is cut short"))
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *stateReader) number() int64 {
	n, width := binary.Uvarint(r.rest)
	if width <= 0 || n > 1<<62 {
		r.err = errors.Join(r.err, errors.New("a number is malformed"))
		return 0
	}
	r.rest = r.rest[width:]
	return int64(n)
}

// count is a number of things that take at least a byte each.
func (r *stateReader) count() int {
	n := r.number()
	if n > int64(len(r.rest)) {
		r.err = errors.Join(r.err, errors.New("it is cut short"))
		return 0
	}
	return int(n)
}

func (r *stateReader) text() string { return string(r.cut(uint64(r.number()))) }

func (r *stateReader) keyText() string {
	shared, rest := r.number(), r.text()
	if shared > int64(len(r.key)) {
		r.err = errors.Join(r.err, errors.New("a key is malformed"))
		return ""
	}
	return r.key[:shared] + rest
}

func (r *stateReader) etag() string {
	switch kind := r.cut(1); {
	case len(kind) == 1 && kind[0] == 1:
		return `"` + hex.EncodeToString(r.cut(16)) + `"`
	default:
		return r.text()
	}
}
