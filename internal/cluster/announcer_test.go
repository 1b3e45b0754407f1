package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/cluster"
)

var errAway = errors.New("away")

// memoryBoard is a board that can be away.
type memoryBoard struct {
	mu        sync.Mutex
	away      bool
	nodes     map[string]cluster.Node
	own       string
	announced []time.Time
}

func (b *memoryBoard) set(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

func (b *memoryBoard) Announce(_ context.Context, n cluster.Node) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announced = append(b.announced, time.Now())
	if b.away {
		return errAway
	}
	if b.nodes == nil {
		b.nodes = map[string]cluster.Node{}
	}
	b.nodes[n.Instance], b.own = n, n.Instance
	return nil
}

func (b *memoryBoard) Withdraw(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away || ctx.Err() != nil {
		return errAway
	}
	delete(b.nodes, b.own)
	return nil
}

func (b *memoryBoard) Nodes(context.Context) ([]cluster.Node, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return nil, errAway
	}
	var nodes []cluster.Node
	for _, n := range b.nodes {
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func TestAnnouncer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		board := &memoryBoard{}
		uploads, failures := 0, 0
		ctx, cancel := context.WithCancel(t.Context())
		start, done := time.Now(), make(chan struct{})
		go func() {
			defer close(done)
			cluster.Announcer{
				Board: board, Every: 10 * time.Second,
				Node:   func(context.Context) cluster.Node { uploads++; return cluster.Node{Instance: "a", Uploads: uploads} },
				Failed: func(error) { failures++ },
			}.Run(ctx)
		}()
		<-time.After(25 * time.Second)
		if n := listed(t, board)["a"]; n.Uploads != 3 || !n.Seen.Equal(start.Add(20*time.Second)) {
			t.Errorf("after 25 seconds the board says %+v", n)
		}
		board.set(true)
		<-time.After(time.Minute)
		board.set(false)
		<-time.After(10 * time.Second)
		if failures != 1 || listed(t, board)["a"].Uploads != 10 {
			t.Errorf("%d failures were told, and the board says %v", failures, listed(t, board))
		}
		cancel()
		<-done
		if got := listed(t, board); len(got) != 0 {
			t.Errorf("it stopped, and the board says %v", got)
		}
	})
}

// Whatever board is away, whoever asks finds the node once, as it was seen last.
func TestEither(t *testing.T) {
	t.Parallel()
	first, second := &memoryBoard{}, &memoryBoard{}
	board := &cluster.Either{First: first, Second: second}
	say := func(uploads int) error {
		return board.Announce(t.Context(), cluster.Node{Instance: "a", Uploads: uploads, Seen: time.Unix(int64(uploads), 0)})
	}
	must(t, say(1))
	if len(second.announced) != 0 {
		t.Error("both boards were written to")
	}
	first.set(true)
	must(t, say(2))
	if got := listed(t, board); got["a"].Uploads != 2 {
		t.Errorf("without the first, %v", got)
	}
	first.set(false)
	if got := listed(t, board); len(got) != 1 || got["a"].Uploads != 2 {
		t.Errorf("with what the first still has, %v", got)
	}
	must(t, say(3))
	if got := listed(t, second); len(got) != 0 {
		t.Errorf("the second keeps %v", got)
	}
	second.set(true)
	must(t, say(4))
	if got := listed(t, board); got["a"].Uploads != 4 {
		t.Errorf("without the second, %v", got)
	}
	must(t, board.Withdraw(t.Context()))
	first.set(true)
	if err := say(5); !errors.Is(err, errAway) {
		t.Errorf("without either, Announce gives %v", err)
	}
	if _, err := board.Nodes(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("without either, Nodes gives %v", err)
	}
}

func TestNewInstance(t *testing.T) {
	t.Parallel()
	var all []string
	for _, host := range []string{"node-1.example.com", "node-1.example.com", "", "a/b ü", strings.Repeat("x", 300)} {
		instance := cluster.NewInstance(host)
		if len(instance) > 80 || strings.ContainsFunc(instance, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
			t.Errorf("%q gives %q, which cannot be a part of a key", host, instance)
		}
		all = append(all, instance)
	}
	if !strings.HasPrefix(all[0], "node-1.example.com-") || all[0] == all[1] || slices.Contains(all, "") {
		t.Errorf("the instances are %q", all)
	}
}
