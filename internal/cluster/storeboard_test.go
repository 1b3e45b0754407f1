package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/registryd/registryd/internal/cluster"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/drivers/fs"
	"github.com/registryd/registryd/internal/storage"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listed gives the nodes on a board by instance.
func listed(t *testing.T, b cluster.Board) map[string]cluster.Node {
	t.Helper()
	nodes, err := b.Nodes(t.Context())
	must(t, err)
	all := map[string]cluster.Node{}
	for _, n := range nodes {
		if _, twice := all[n.Instance]; twice {
			t.Errorf("%s is listed twice", n.Instance)
		}
		all[n.Instance] = n
	}
	return all
}

// full is a node with everything that can be said of one.
func full(instance string) cluster.Node {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return cluster.Node{
		Instance: instance, Version: "v1.2.3", Address: "10.0.0.1:5000", Debug: "10.0.0.1:5001", Started: now.Add(-time.Hour), Uploads: 3, Seen: now,
		Store: cluster.Health{State: cluster.Up, Latency: time.Millisecond}, Redis: cluster.Health{State: cluster.Away, Error: "it does not answer in time"},
	}
}

// onBoard is what every board promises.
func onBoard(t *testing.T, open func() cluster.Board) {
	t.Helper()
	a, b, reader, begun := open(), open(), open(), time.Now()
	if nodes := listed(t, reader); len(nodes) != 0 {
		t.Errorf("an empty board lists %v", nodes)
	}
	must(t, a.Withdraw(t.Context())) // what was never announced
	first, second := full("a-1"), full("b-2")
	must(t, a.Announce(t.Context(), first))
	must(t, b.Announce(t.Context(), second))
	got := listed(t, reader)
	for _, want := range []cluster.Node{first, second} {
		n := got[want.Instance]
		if d := n.Seen.Sub(want.Seen).Abs(); d > 5*time.Second+time.Since(begun) {
			t.Errorf("%s was seen %v apart", n.Instance, d)
		}
		n.Seen = want.Seen
		if n != want {
			t.Errorf("got %+v, want %+v", n, want)
		}
	}
	must(t, a.Withdraw(t.Context()))
	must(t, a.Withdraw(t.Context()))
	if got := listed(t, reader); len(got) != 1 || got["b-2"].Instance == "" {
		t.Errorf("after a-1 withdrew there are %v", got)
	}
	must(t, a.Announce(t.Context(), first))
	if got := listed(t, reader); len(got) != 2 {
		t.Errorf("after a-1 came back there are %v", got)
	}
	must(t, a.Withdraw(t.Context()))
	must(t, b.Withdraw(t.Context()))
}

func TestStoreBoard(t *testing.T) {
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		fake := drivertest.NewFake(t)
		onBoard(t, func() cluster.Board { return cluster.NewStoreBoard(storage.New(fake, storage.Options{})) })
	})
	t.Run("fs", func(t *testing.T) {
		t.Parallel()
		store, err := fs.Open(t.TempDir(), fs.Options{})
		must(t, err)
		t.Cleanup(func() { store.Close() })
		onBoard(t, func() cluster.Board { return cluster.NewStoreBoard(storage.New(store, storage.Options{})) })
	})
}

// However often a node announces itself, the store is written to once a minute, and no node that died is listed for long.
func TestStoreBoardIsCheap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake(t)
		open := func() *cluster.StoreBoard { return cluster.NewStoreBoard(storage.New(fake, storage.Options{})) }
		dead, board := open(), open()
		must(t, dead.Announce(t.Context(), full("dead")))
		must(t, board.Announce(t.Context(), full("a")))
		fake.ResetCounts()
		for range 60 {
			<-time.After(cluster.RedisEvery)
			must(t, board.Announce(t.Context(), full("a")))
		}
		if counts := fake.Counts(); counts[drivertest.OpPut] != 10 || len(counts) != 1 {
			t.Errorf("ten minutes cost %v", counts)
		}
		if got := listed(t, board); len(got) != 1 || got["a"].Instance == "" {
			t.Errorf("ten minutes later there are %v", got)
		}
		<-time.After(25 * time.Hour)
		must(t, board.Announce(t.Context(), full("a")))
		if keys := fake.Keys(); len(keys) != 1 {
			t.Errorf("a day later there are %q", keys)
		}
	})
}

// A node that could not write tries again with the next announcement, and one that cannot be read is listed by name.
func TestStoreBoardAway(t *testing.T) {
	t.Parallel()
	fake := drivertest.NewFake(t)
	registry := storage.New(fake, storage.Options{})
	board := cluster.NewStoreBoard(registry)
	disarm := fake.Inject(drivertest.Fault{Step: 1, Outcome: drivertest.NotApplied})
	if err := board.Announce(t.Context(), full("a")); err == nil {
		t.Error("a store that is away took the announcement")
	}
	disarm()
	must(t, board.Announce(t.Context(), full("a")))
	must(t, registry.NodeRecord("later").Put(t.Context(), []byte(`["another form"]`)))
	if got := listed(t, board); got["a"].Version == "" || got["later"].Instance != "later" || got["later"].Version != "" || got["later"].Seen.IsZero() {
		t.Errorf("got %v", got)
	}
	defer fake.Inject(drivertest.Fault{Step: 1, Outcome: drivertest.NotApplied})()
	if _, err := board.Nodes(t.Context()); err == nil {
		t.Error("a store that is away lists nodes")
	}
}
