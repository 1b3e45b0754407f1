package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// formatVersion is written into every record. A node refuses records of a version it does not know, and leaves them as they are.
const formatVersion = 1

// errNewer: a record was written by a later release, in a form that this one does not know.
var errNewer = errors.New("a later release wrote it, and has to read it")

// maxRecord bounds what is read as a record, in bytes: a referrer holds the annotations of a manifest of up to 64 MiB.
const maxRecord = 80 << 20

// header begins every record. The nonce makes the ETag of each version of a record unlike all others, since a store may derive it from content
// alone; and it tells a writer whose answer was lost that the record standing there is its own.
type header struct {
	Version int    `json:"v"`
	Nonce   string `json:"nonce"`
}

func (h *header) head() *header { return h }

// record is a pointer to a type that embeds header.
type record[T any] interface {
	*T
	head() *header
}

// stored is a record as it was read: absent (no ETag), a tombstone (Value is nil) or live.
type stored[T any] struct {
	Value *T
	etag  string
	since time.Time // by the store's clock; only of what load read
}

func (s stored[T]) live() bool { return s.Value != nil }

// cond is the condition under which the record is still as it was read.
func (s stored[T]) cond() drivers.Cond {
	if s.etag == "" {
		return drivers.Cond{IfAbsent: true}
	}
	return drivers.Cond{IfMatch: s.etag}
}

// load reads the record at key. That there is none, or a tombstone, is no error.
func load[T any, P record[T]](ctx context.Context, objects drivers.Objects, key string) (stored[T], error) {
	content, info, err := readAll(ctx, objects, key, maxRecord)
	if errors.Is(err, drivers.ErrNotFound) {
		return stored[T]{}, nil
	}
	if err != nil {
		return stored[T]{}, err
	}
	value, err := decode[T, P](key, content)
	return stored[T]{Value: value, etag: info.ETag, since: info.ModTime}, err
}

// decode parses a record; of a tombstone it gives nil.
func decode[T any, P record[T]](key string, content []byte) (*T, error) {
	if len(content) == 0 {
		return nil, nil
	}
	value := new(T)
	if link, ok := any(value).(bareLink); ok && content[0] != '{' {
		if d, ok := parseBare(content); ok {
			link.setBare(d)
			return value, nil
		}
	}
	err := json.Unmarshal(content, value)
	if err == nil && P(value).head().Version == formatVersion {
		return value, nil
	}
	return nil, notRead("record "+key, content, err)
}

// notRead says why something that was written down cannot be read; err is that of parsing it, if that failed. Its version counts more: another version
// may look like anything else.
func notRead(what string, content []byte, err error) error {
	var head struct {
		Version int `json:"v"`
	}
	switch versionErr := json.Unmarshal(content, &head); {
	case versionErr == nil && head.Version > formatVersion:
		return fmt.Errorf("%s has format version %d, this node knows %d: %w", what, head.Version, formatVersion, errNewer)
	case versionErr == nil && head.Version != formatVersion:
		return fmt.Errorf("%s has format version %d, this node knows %d", what, head.Version, formatVersion)
	}
	return fmt.Errorf("%s cannot be read: %w", what, err)
}

// encode writes a record as it was meant: escaping for HTML could make it many times as long.
func encode(value any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	content := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(content) > maxRecord {
		return nil, fmt.Errorf("%d bytes are more than the %d a record may have", len(content), maxRecord)
	}
	return content, nil
}

// swap puts next in the place of cur, in one compare-and-swap. It gives what stands there now; when somebody else was faster, that is theirs, and
// the error is ErrPrecondition. A repeated or lost answer of our own Put counts as ours.
func swap[T any, P record[T]](ctx context.Context, objects drivers.Objects, key string, cur stored[T], next T) (stored[T], error) {
	head := P(&next).head()
	head.Version, head.Nonce = formatVersion, rand.Text()
	content, err := encode(&next)
	if err != nil {
		return cur, fmt.Errorf("encode %s: %w", key, err)
	}
	info, err := objects.Put(ctx, key, bytes.NewReader(content), cur.cond())
	if err == nil {
		return stored[T]{Value: &next, etag: info.ETag}, nil
	}
	if !errors.Is(err, drivers.ErrPrecondition) {
		return cur, err
	}
	now, loadErr := load[T, P](ctx, objects, key)
	if loadErr != nil {
		return cur, loadErr
	}
	if now.live() && P(now.Value).head().Nonce == head.Nonce {
		return now, nil
	}
	return now, err
}

// update swaps until it is done: edit is given the record as it stands (nil where there is none) and says what shall stand there instead, or nil to
// leave it.
func update[T any, P record[T]](ctx context.Context, objects drivers.Objects, key string, cur stored[T], edit func(*T) *T) (stored[T], error) {
	for {
		next := edit(cur.Value)
		if next == nil {
			return cur, nil
		}
		now, err := swap[T, P](ctx, objects, key, cur, *next)
		if !errors.Is(err, drivers.ErrPrecondition) {
			return now, err
		}
		cur = now
	}
}

// bury swaps the record for a tombstone, and says whether it did: false when there was no live record. One that vanished under its hands counts as
// buried, since that may have been an answer of its own that was lost. whether is asked about each version met; nil means every one.
func bury[T any, P record[T]](ctx context.Context, objects drivers.Objects, key string, cur stored[T], whether func(*T) bool) (bool, error) {
	for cur.live() && (whether == nil || whether(cur.Value)) {
		_, err := objects.Put(ctx, key, bytes.NewReader(nil), cur.cond())
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, drivers.ErrPrecondition) {
			return false, err
		}
		if cur, err = load[T, P](ctx, objects, key); err != nil {
			return false, err
		}
		if !cur.live() {
			return true, nil
		}
	}
	return false, nil
}

// readAll reads a small object whole, at most limit bytes.
func readAll(ctx context.Context, objects drivers.Objects, key string, limit int64) ([]byte, drivers.Info, error) {
	r, info, err := objects.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, info, err
	}
	defer r.Close()
	if info.Size > limit {
		return nil, info, fmt.Errorf("object %s has %d bytes, more than the %d it may have", key, info.Size, limit)
	}
	content := make([]byte, info.Size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, info, fmt.Errorf("read %s: %w", key, err)
	}
	return content, info, nil
}
