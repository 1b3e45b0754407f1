package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// DeadEvent is what an endpoint did not take. It is kept until somebody replays or drops it.
type DeadEvent struct {
	ID     string    `json:"id"` // of the journal entry it came from, a ULID
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	Note   []byte    `json:"note"`
}

// deadRecord is a dead event as it is stored. It is created once and deleted; nobody swaps it.
type deadRecord struct {
	Version int `json:"v"`
	DeadEvent
}

// PutDead keeps an event that an endpoint did not take. Where it is kept already, that is left as it is: two nodes may come to give up on the same.
func (r *Registry) PutDead(ctx context.Context, endpoint string, e DeadEvent) error {
	content, err := json.Marshal(deadRecord{formatVersion, e})
	if err != nil {
		return err
	}
	_, err = r.driver.Put(ctx, r.keys.deadPrefix(endpoint)+e.ID, bytes.NewReader(content), drivers.Cond{IfAbsent: true})
	if errors.Is(err, drivers.ErrPrecondition) {
		return nil
	}
	return err
}

// Dead gives the ids of the events that an endpoint did not take, behind after, and where to go on; empty when that was all.
func (r *Registry) Dead(ctx context.Context, endpoint, after string, n int) (ids []string, next string, err error) {
	return r.listIDs(ctx, r.keys.deadPrefix(endpoint), after, n)
}

// DeadEndpoints are the endpoints that have such events.
func (r *Registry) DeadEndpoints(ctx context.Context) (endpoints []string, err error) {
	opts := drivers.ListOptions{Prefix: r.keys.allDeadPrefix(), Delimiter: "/"}
	for {
		page, err := r.driver.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for _, group := range page.Groups {
			endpoints = append(endpoints, path.Base(group))
		}
		if opts.After = page.Next; opts.After == "" {
			return endpoints, nil
		}
	}
}

// DeadEvent reads one; nil where it is gone. One that it can make nothing of is an UnreadableError; after any other error it can be tried again.
func (r *Registry) DeadEvent(ctx context.Context, endpoint, id string) (*DeadEvent, error) {
	content, _, err := readAll(ctx, r.driver, r.keys.deadPrefix(endpoint)+id, maxRecord)
	if errors.Is(err, drivers.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var record deadRecord
	if err := json.Unmarshal(content, &record); err != nil || record.Version != formatVersion {
		return nil, &UnreadableError{content, notRead("dead event "+id+" of "+endpoint, content, err)}
	}
	return &record.DeadEvent, nil
}

// DropDead forgets events for good.
func (r *Registry) DropDead(ctx context.Context, endpoint string, ids ...string) error {
	keys := make([]string, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, r.keys.deadPrefix(endpoint)+id)
	}
	return r.driver.Delete(ctx, keys...)
}
