package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/registryd/registryd/internal/drivers"
)

// nodeRecord is what a node says of itself. It is for people: nothing in this package reads what it says.
type nodeRecord struct {
	header
	Note json.RawMessage `json:"note"`
}

// NodeNote is what a node wrote of itself.
type NodeNote struct {
	Instance string
	Note     json.RawMessage // nil when it cannot be read, as that of a node of a later version
	Seen     time.Time       // when it was written, by the store's clock
}

// NodeRecord is the record of one node, of which that node is the only writer. Not for use by several goroutines at once.
//
// It is swapped like any other record: since the one writer knows how it left the record, that costs no more than a plain Put would, and a Put that
// arrives after the record was removed finds its condition broken and brings nothing back.
type NodeRecord struct {
	registry *Registry
	key      string
	cur      stored[nodeRecord]
}

// NodeRecord gives the record of the node with that instance id, at no cost. No other process, before or after, may have the same id.
func (r *Registry) NodeRecord(instance string) *NodeRecord {
	return &NodeRecord{registry: r, key: r.keys.node(instance)}
}

// Put writes the note, which must be JSON, at the cost of one request.
func (n *NodeRecord) Put(ctx context.Context, note json.RawMessage) (err error) {
	if err := n.registry.writable(); err != nil {
		return err
	}
	n.cur, err = update(ctx, n.registry.driver, n.key, n.cur, func(*nodeRecord) *nodeRecord { return &nodeRecord{Note: note} })
	if err != nil {
		return fmt.Errorf("write the record of this node: %w", err)
	}
	return nil
}

// Remove takes the record away, and may be repeated. It needs no tombstone, for nobody else would write it anew.
func (n *NodeRecord) Remove(ctx context.Context) error {
	if err := n.registry.driver.Delete(ctx, n.key); err != nil {
		return fmt.Errorf("remove the record of this node: %w", err)
	}
	n.cur = stored[nodeRecord]{}
	return nil
}

// NodeNotes gives the notes that were written within that time: one LIST, and one read for each of them.
func (r *Registry) NodeNotes(ctx context.Context, within time.Duration) ([]NodeNote, error) {
	var notes []NodeNote
	err := r.eachNode(ctx, func(instance string, info drivers.Info) error {
		if r.opts.Now().Sub(info.ModTime) > within {
			return nil
		}
		cur, err := load[nodeRecord](ctx, r.driver, info.Key)
		if isTransient(err) {
			return err
		}
		note := NodeNote{Instance: instance, Seen: info.ModTime}
		switch {
		case err == nil && !cur.live():
			return nil // it was removed meanwhile
		case err == nil:
			note.Note = cur.Value.Note
		}
		notes = append(notes, note)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the records of the nodes: %w", err)
	}
	return notes, nil
}

// nodeAge is when the record of a node that wrote nothing since is removed. A node that was only asleep writes it anew.
const nodeAge = 24 * time.Hour

// RemoveOldNodes removes what nodes left behind that did not stop cleanly, a day after they were last heard of.
func (r *Registry) RemoveOldNodes(ctx context.Context) error {
	if err := r.writable(); err != nil {
		return err
	}
	var old []string
	err := r.eachNode(ctx, func(_ string, info drivers.Info) error {
		if r.opts.Now().Sub(info.ModTime) > nodeAge {
			old = append(old, info.Key)
		}
		return nil
	})
	if err == nil && len(old) > 0 {
		err = r.driver.Delete(ctx, old...)
	}
	if err != nil {
		return fmt.Errorf("remove the records of nodes that are gone: %w", err)
	}
	return nil
}

// eachNode lists the records of nodes, and passes over whatever else stands there.
func (r *Registry) eachNode(ctx context.Context, do func(instance string, info drivers.Info) error) error {
	return r.each(ctx, r.keys.nodesPrefix(), func(info drivers.Info) error {
		instance := strings.TrimPrefix(info.Key, r.keys.nodesPrefix())
		if info.Size == 0 || strings.Contains(instance, "/") {
			return nil
		}
		return do(instance, info)
	})
}
