package cluster

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Status is the cluster as one process sees it.
type Status struct {
	At     time.Time `json:"at"`
	Store  Health    `json:"store"`
	Redis  Health    `json:"redis"`
	Nodes  []Node    `json:"nodes"` // by instance
	Queues []Queue   `json:"queues,omitempty"`

	// Errors say what could not be found out, besides what Store and Redis tell.
	Errors []string `json:"errors,omitempty"`
}

// Queue is how much of something waits.
type Queue struct {
	Name   string    `json:"name"`
	Depth  int64     `json:"depth"`           // how many wait
	Oldest time.Time `json:"oldest,omitzero"` // since when the first of them does; zero if none waits
}

// Source knows of queues.
type Source interface {
	Queues(ctx context.Context) ([]Queue, error)
}

// View is what a status is made of. Safe for concurrent use.
type View struct {
	Board   Board                       // nil if it cannot be known where the board is
	Store   func(context.Context) error // pings the store
	Redis   func(context.Context) error // pings Redis; nil if there is none
	Sources []Source
}

// statusTime bounds all that a status waits for.
const statusTime = 5 * time.Second

// Status asks everybody, side by side, and takes some seconds at most. What does not answer is a part of what it tells.
func (v View) Status(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	s := Status{At: time.Now().UTC(), Nodes: []Node{}}
	var wg sync.WaitGroup
	wg.Go(func() { s.Store = Ask(ctx, v.Store) })
	wg.Go(func() { s.Redis = Ask(ctx, v.Redis) })
	var unlisted error
	if v.Board != nil {
		wg.Go(func() {
			var nodes []Node
			if nodes, unlisted = v.Board.Nodes(ctx); unlisted == nil {
				s.Nodes = append(s.Nodes, nodes...)
			}
		})
	}
	queues, uncounted := make([][]Queue, len(v.Sources)), make([]error, len(v.Sources))
	for i, source := range v.Sources {
		wg.Go(func() { queues[i], uncounted[i] = source.Queues(ctx) })
	}
	wg.Wait()

	s.Queues = slices.Concat(queues...)
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Compare(a.Instance, b.Instance) })
	if unlisted != nil {
		s.Errors = append(s.Errors, "The nodes cannot be listed: "+line(unlisted)+".")
	}
	for _, err := range uncounted {
		if err != nil {
			s.Errors = append(s.Errors, "A queue cannot be counted: "+line(err)+".")
		}
	}
	return s
}
