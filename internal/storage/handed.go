package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
)

// Handed is an entry of the journal that a node was told of (Outbox), so that everybody can see its work, and that it hands over to the relay.
type Handed struct {
	ID   string `json:"id"` // of the entry, a ULID
	Note []byte `json:"note"`
}

// What is handed over at once, at most.
const (
	HandedMost  = 1000    // entries
	handedBytes = 1 << 20 // of the object
)

// handedAge is when what nobody has taken is removed: no relay delivers from the journal, or it found the entries first.
const handedAge = time.Hour

// ErrHanded: what was handed over cannot be read by this release, now or later. Its entries are in the journal.
var ErrHanded = errors.New("what was handed over cannot be used")

// handedRecord is what is handed over at once, as it is stored. It is created once, under a name of its own, and deleted; nobody swaps it.
type handedRecord struct {
	Version int      `json:"v"`
	Entries []Handed `json:"entries"`
}

// Hand writes down entries that are visible, for the relay, in one request. It is a hint: whoever cannot write it has lost nothing.
func (r *Registry) Hand(ctx context.Context, entries ...Handed) error {
	record := handedRecord{formatVersion, entries}
	if err := record.check(); err != nil {
		return err
	}
	content, err := encode(record)
	if err != nil {
		return fmt.Errorf("encode what is handed over: %w", err)
	}
	if len(content) > handedBytes {
		return fmt.Errorf("%d bytes are more than the %d that can be handed over at once", len(content), handedBytes)
	}
	_, err = r.driver.Put(ctx, r.keys.handed(r.newID()), bytes.NewReader(content), drivers.Cond{IfAbsent: true})
	return err
}

// HandedOver gives the ids of what was handed over, oldest first, behind after, at most n of them, and where to go on; empty when that was all.
func (r *Registry) HandedOver(ctx context.Context, after string, n int) (ids []string, next string, err error) {
	return r.listIDs(ctx, r.keys.handedPrefix(), after, n)
}

// ReadHanded gives the entries that were handed over under an id; none where that is gone. It fails with ErrHanded for what will never be of use.
func (r *Registry) ReadHanded(ctx context.Context, id string) ([]Handed, error) {
	content, _, err := readAll(ctx, r.driver, r.keys.handed(id), handedBytes)
	if errors.Is(err, drivers.ErrNotFound) {
		return nil, nil
	}
	if isTransient(err) {
		return nil, err
	}
	var record handedRecord
	if err == nil {
		err = json.Unmarshal(content, &record)
	}
	if err == nil {
		err = record.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrHanded, id, err)
	}
	return record.Entries, nil
}

// DropHanded removes what was taken over, or is of no use, soon: with the entries that are settled, at no request of its own.
func (r *Registry) DropHanded(ids ...string) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = r.keys.handed(id)
	}
	r.settled.add(keys)
}

func (h *handedRecord) check() error {
	if h.Version != formatVersion {
		return fmt.Errorf("it has format version %d, this node knows %d", h.Version, formatVersion)
	}
	if len(h.Entries) > HandedMost {
		return fmt.Errorf("%d entries are more than the %d that can be handed over at once", len(h.Entries), HandedMost)
	}
	for _, e := range h.Entries {
		if _, err := ulid.ParseStrict(e.ID); err != nil {
			return fmt.Errorf("%q names no entry: %w", e.ID, err)
		}
	}
	return nil
}

// handed removes what nobody has taken.
func (j *Janitor) handed(ctx context.Context, opts JanitorOptions) error {
	r := j.registry
	var old []string
	err := r.each(ctx, r.keys.handedPrefix(), func(info drivers.Info) error {
		if id, ok := r.keys.parseHanded(info.Key); ok && r.dataAge(id, info) > handedAge {
			old = append(old, info.Key)
		}
		return nil
	})
	if err != nil || len(old) == 0 || opts.DryRun {
		return err
	}
	return r.driver.Delete(ctx, old...)
}
