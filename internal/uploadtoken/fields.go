package uploadtoken

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The fields of an Upload, big-endian:
//
//	seq (8 bytes) | offset (8) | started (8) | expires (8) | length of id (1) | id | length of state (2) | state
//
// Every Upload has one encoding and every encoding one Upload. A state may have up to a limit of bytes, which is part of what is encoded for.
const fixedFields = 8 + 8 + 8 + 8 + 1 + 2

func encodeFields(up Upload, limit int) ([]byte, error) {
	switch {
	case len(up.ID) > MaxID:
		return nil, fmt.Errorf("upload id of %d bytes is too long for a token: at most %d", len(up.ID), MaxID)
	case len(up.State) > limit:
		return nil, fmt.Errorf("upload state of %d bytes is too long for a token: at most %d", len(up.State), limit)
	case up.Offset < 0:
		return nil, fmt.Errorf("upload offset %d is negative", up.Offset)
	}
	b := make([]byte, 0, fixedFields+len(up.ID)+len(up.State))
	b = binary.BigEndian.AppendUint64(b, up.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(up.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(up.Started.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(up.Expires.Unix()))
	b = append(b, byte(len(up.ID)))
	b = append(b, up.ID...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(up.State)))
	return append(b, up.State...), nil
}

// decodeFields reads what encodeFields wrote; false if it did not. It must not panic even then: other versions will share the keys.
func decodeFields(b []byte, limit int) (up Upload, ok bool) {
	if len(b) < fixedFields {
		return up, false
	}
	up.Seq = binary.BigEndian.Uint64(b)
	up.Offset = int64(binary.BigEndian.Uint64(b[8:]))
	up.Started = time.Unix(int64(binary.BigEndian.Uint64(b[16:])), 0).UTC()
	up.Expires = time.Unix(int64(binary.BigEndian.Uint64(b[24:])), 0).UTC()
	b = b[32:]
	n := int(b[0])
	if n > MaxID || len(b) < 1+n+2 {
		return up, false
	}
	up.ID, b = string(b[1:1+n]), b[1+n:]
	n = int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n != len(b) || n > limit || up.Offset < 0 {
		return up, false
	}
	if n > 0 {
		up.State = b
	}
	return up, true
}
