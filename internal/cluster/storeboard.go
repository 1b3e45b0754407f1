package cluster

import (
	"context"
	"encoding/json"
	"time"

	"github.com/registryd/registryd/internal/storage"
)

// StoreEvery is how often a node announces itself in the store: each time is a request that somebody may have to pay for.
const StoreEvery = time.Minute

// Of a board in the store.
const (
	storeLife  = 3 * time.Minute // a node is listed for so long after it was last heard of: two writes may fail
	storeSlack = time.Second     // by which an announcement may come early
	storeClean = 24 * time.Hour  // how often a node looks for what others left behind
)

// StoreBoard keeps the board in the store, as small records.
type StoreBoard struct {
	registry *storage.Registry
	record   *storage.NodeRecord
	written  time.Time // when the record was last written; zero if it does not stand there
	cleaned  time.Time
}

// NewStoreBoard is the board of a registry.
func NewStoreBoard(registry *storage.Registry) *StoreBoard { return &StoreBoard{registry: registry} }

// Announce writes the record at most once a minute, however often it is called. Once a day it removes those of nodes that are long gone.
func (b *StoreBoard) Announce(ctx context.Context, n Node) error {
	if !b.written.IsZero() && time.Since(b.written) < StoreEvery-storeSlack {
		return nil
	}
	note, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if b.record == nil {
		b.record = b.registry.NodeRecord(n.Instance)
	}
	if err := b.record.Put(ctx, note); err != nil {
		return err
	}
	b.written = time.Now()
	if !b.cleaned.IsZero() && time.Since(b.cleaned) < storeClean {
		return nil
	}
	b.cleaned = time.Now() // whether it works or not: tomorrow is soon enough
	return b.registry.RemoveOldNodes(ctx)
}

// Withdraw removes the record.
func (b *StoreBoard) Withdraw(ctx context.Context) error {
	if b.record == nil {
		return nil
	}
	if err := b.record.Remove(ctx); err != nil {
		return err
	}
	b.record, b.written = nil, time.Time{}
	return nil
}

// Nodes costs a LIST, and a read for each node.
func (b *StoreBoard) Nodes(ctx context.Context) ([]Node, error) {
	notes, err := b.registry.NodeNotes(ctx, storeLife)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(notes))
	for _, note := range notes {
		nodes = append(nodes, parseNode(note.Instance, note.Seen, note.Note))
	}
	return nodes, nil
}
