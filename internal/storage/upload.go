package storage

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// Upload is a snapshot of a blob upload: an immutable point in it. Appending gives a new one. It is plain data that any process may go on with; the
// api keeps it with the client, as a token.
type Upload struct {
	ID        string
	Seq       uint64 // of the last checkpoint; 0 when there is none
	Started   time.Time
	Algorithm digest.Algorithm
	Offset    int64 // bytes received

	session drivers.Session // zero until bytes were stored
	remote  bool            // the session is in checkpoint Seq alone: it is too long for a token
	saved   bool            // for sure, checkpoint Seq is of this very point
}

// NewUpload starts an upload; the store does not hear of it.
func (r *Repository) NewUpload(algorithm digest.Algorithm) (Upload, error) {
	if err := r.registry.writable(); err != nil {
		return Upload{}, err
	}
	return Upload{ID: r.registry.newID(), Started: r.registry.opts.Now().UTC().Truncate(time.Second), Algorithm: algorithm}, nil
}

// LeastChunk is how many bytes a chunk had better have, unless it is the last; 0 for any number.
func (r *Repository) LeastChunk() int64 {
	if store, ok := drivers.As[drivers.Parter](r.registry.driver); ok {
		return store.LeastPart()
	}
	return 0
}

// Expires is when the upload is given up.
func (r *Repository) Expires(up Upload) time.Time { return up.Started.Add(r.registry.opts.UploadTTL) }

// newHash goes on with the hash of what the upload has received.
func (u Upload) newHash() (hash.Hash, error) {
	h := u.Algorithm.Hash()
	if len(u.session.Mark) == 0 {
		return h, nil
	}
	state, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, fmt.Errorf("the state of %s cannot be kept", u.Algorithm)
	}
	if err := state.UnmarshalBinary(u.session.Mark); err != nil {
		return nil, fmt.Errorf("restore the hash of upload %s: %w", u.ID, err)
	}
	return h, nil
}

// tokenState is what fits into a token, which has to stay under 1 KiB, in bytes. At the end of a request a longer session is left to a checkpoint.
const tokenState = 600

// The form of State. The version is part of what other nodes, older and newer, agree on.
const (
	stateVersion = 1
	flagRemote   = 1
)

// State is what has to be kept besides the exported fields to go on from here. ResumeUpload is its inverse. A session that makes it longer than limit bytes
// is left to the last checkpoint, if there is one: where the upload stands at another offset by then, nobody can go on from such a state alone.
func (u Upload) State(limit int) []byte {
	if full := u.fullState(); !u.remote && (len(full) <= limit || u.Seq == 0) {
		return full
	}
	return appendField([]byte{stateVersion, flagRemote}, []byte(u.Algorithm))
}

// tooLong says whether the session has to be left to a checkpoint.
func (u Upload) tooLong() bool { return !u.remote && len(u.fullState()) > tokenState }

// fits says whether a token can be made of the upload as it is: a session that is too long needs a checkpoint.
func (u Upload) fits() bool { return u.Seq > 0 || !u.tooLong() }

// Lasts says whether State(limit) is all that is needed to go on from here: it has the session, or leaves it to a checkpoint that has it.
func (u Upload) Lasts(limit int) bool {
	return u.remote || u.saved || u.Seq == 0 || len(u.fullState()) <= limit
}

// at is the upload at another session, behind the same checkpoint.
func (u Upload) at(s drivers.Session) Upload {
	u.session, u.Offset, u.remote, u.saved = s, s.Offset, false, false
	return u
}

// Before says whether u is an older point than v of the same upload.
func (u Upload) Before(v Upload) bool { return u.Seq < v.Seq || u.Seq == v.Seq && u.Offset < v.Offset }

// Whole says whether the session is here, not left to a checkpoint.
func (u Upload) Whole() bool { return !u.remote }

// Filled is known, if that is the same place and of more use: it has the session that the state of u left to a checkpoint, or is behind newer checkpoints,
// which whoever goes on from u would run into. Else it is u.
func (u Upload) Filled(known Upload) Upload {
	switch {
	case known.remote || u.ID != known.ID || u.Offset != known.Offset:
	case u.remote && u.Seq == known.Seq:
		return known
	case !u.remote && u.Seq < known.Seq && bytes.Equal(u.fullState(), known.fullState()):
		return known
	}
	return u
}

func (u Upload) fullState() []byte {
	state := appendField([]byte{stateVersion, 0}, []byte(u.Algorithm))
	for _, field := range [][]byte{[]byte(u.session.Key), u.session.Mark, u.session.State} {
		state = appendField(state, field)
	}
	return state
}

// ResumeUpload is the upload that a token speaks of.
func ResumeUpload(id string, seq uint64, started time.Time, offset int64, state []byte) (Upload, error) {
	up := Upload{ID: id, Seq: seq, Started: started, Offset: offset}
	if len(state) < 2 || state[0] != stateVersion {
		unknown := uploadUnknown() // as with all else that another release may put into a token
		unknown.Err = errors.New("the state of the upload is of an unknown version")
		return Upload{}, unknown
	}
	up.remote = state[1]&flagRemote != 0
	fields := [][]byte{}
	for rest := state[2:]; len(rest) > 0; {
		field, tail, err := cutField(rest)
		if err != nil {
			return Upload{}, err
		}
		fields, rest = append(fields, field), tail
	}
	switch {
	case up.remote && len(fields) == 1:
	case !up.remote && len(fields) == 4:
		up.session = drivers.Session{Key: string(fields[1]), Offset: offset, Mark: fields[2], State: fields[3]}
	default:
		return Upload{}, fmt.Errorf("the state of the upload has %d fields", len(fields))
	}
	up.Algorithm = digest.Algorithm(fields[0])
	if !up.Algorithm.Available() {
		return Upload{}, fmt.Errorf("the state of the upload names the algorithm %q", up.Algorithm)
	}
	return up, nil
}

func appendField(b, field []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

func cutField(b []byte) (field, rest []byte, err error) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, errors.New("the state of the upload is cut short")
	}
	return b[width : width+int(n)], b[width+int(n):], nil
}
