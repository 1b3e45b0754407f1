// Package cluster tells people which nodes there are and how they are.
//
// Each node says of itself, every few seconds, what it is and how it finds the store and Redis: on a [Board] in Redis when there is one, else in a small
// record in the store. Whoever asks puts a [Status] together from what stands there. Nothing in registryd depends on any of it: a node that cannot
// announce itself serves as well as any other, and one that is not listed may still be there.
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
)

// Node is what a node says of itself.
type Node struct {
	Instance string    `json:"instance"` // its name, unlike that of every other process; see NewInstance
	Version  string    `json:"version,omitempty"`
	Address  string    `json:"address,omitempty"`      // where it serves
	Debug    string    `json:"debugAddress,omitempty"` // of its second listener; empty if that is off
	Started  time.Time `json:"started,omitzero"`       // by the node's clock
	Uploads  int       `json:"uploadsInFlight"`        // requests that bring the bytes of a blob
	Store    Health    `json:"store,omitzero"`         // as the node finds it
	Redis    Health    `json:"redis,omitzero"`         // likewise
	Seen     time.Time `json:"seen"`                   // when it said so, by its own clock or the store's
}

// Board is where nodes announce themselves. Safe for concurrent use, but for Announce and Withdraw, which are for one goroutine.
type Board interface {
	// Announce says that n is there, for a while. It is repeated every few seconds, always with the same instance.
	Announce(ctx context.Context, n Node) error

	// Withdraw takes back what Announce said, if it said anything.
	Withdraw(ctx context.Context) error

	// Nodes gives the nodes that were seen lately, in no order. Of one that this node cannot read it gives Instance and Seen alone.
	Nodes(ctx context.Context) ([]Node, error)
}

// NewInstance makes the name of this process: that of its host, and something random.
func NewInstance(host string) string {
	host = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '-' // it becomes a part of keys
	}, host)
	if host == "" {
		host = "node"
	}
	return host[:min(len(host), 64)] + "-" + strings.ToLower(rand.Text()[:8])
}

// parseNode reads what a node said. One of a later version may say it in another way.
func parseNode(instance string, seen time.Time, note []byte) Node {
	var n Node
	if err := json.Unmarshal(note, &n); err != nil {
		n = Node{}
	}
	n.Instance = instance
	if !seen.IsZero() {
		n.Seen = seen
	}
	return n
}
