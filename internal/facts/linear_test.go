//go:build stores

package facts

import (
	"context"
	secret "crypto/rand"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/registryd/registryd/internal/storage"
)

// A record is a register of a store, which takes its time before and after a read or a write happens. Versions are numbers; zero: there is no record.
type record struct {
	mu        sync.Mutex
	last, now int
}

func (r *record) read(context.Context) (storage.Fact, error) {
	dawdle()
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	dawdle()
	return version(now), nil
}

func (r *record) write() int {
	dawdle()
	r.mu.Lock()
	r.last++
	if r.now = r.last; rand.N(8) == 0 {
		r.now = 0
	}
	now := r.now
	r.mu.Unlock()
	if dawdle(); rand.N(2) == 0 {
		passes(rand.N(fast.life / 3)) // readers see it before anybody was told
	}
	return now
}

// dawdle takes a millisecond or so, and now and then much longer.
func dawdle() {
	d := rand.N(2 * time.Millisecond)
	switch rand.N(20) {
	case 0:
		d += rand.N(50 * time.Millisecond)
	case 1:
		d += rand.N(fast.life)
	}
	passes(d)
}

// fast are the times of these tests: as many seconds as possible are lived through in one.
var fast = times{life: 150 * time.Millisecond, margin: 15 * time.Millisecond, budget: ample}

// How long readers wait for another: hardly, so that many read under one lease, or as long as it stands, so that most is filled late.
const hardly, long = 10 * time.Millisecond, 150 * time.Millisecond

// memory is what a client uses; a mutant does something of it wrong.
type memory interface {
	Fetch(ctx context.Context, key string, read func(context.Context) (storage.Fact, error)) ([]byte, error)
	Changed(ctx context.Context, keys ...string) error
}

// plan is a run of clients against records.
type plan struct {
	scripts  scripts             // of all nodes
	clumsy   func(*Facts) memory // what clients make of the Facts of a node; nil for what it is
	believe  bool                // nodes trust a server that took over
	calm     bool                // Redis is well, so that more is found there
	patience time.Duration       // of readers with another reader
}

// register is what the history of a record must look like.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if input != nil {
			return true, input // a write
		}
		return state == output, state
	},
	DescribeOperation: func(input, output any) string {
		if input != nil {
			return fmt.Sprintf("write %v", input)
		}
		return fmt.Sprintf("read %v", output)
	},
}

const (
	records = 3
	clients = 12
	span    = 600 * time.Millisecond
)

// run has clients read and write for a while, through three nodes of which one is cut off from Redis half of the time, while Redis is flushed and fails
// over. It says whether what they saw is the history of a register, for each record.
func (p plan) run(t *testing.T, s *server) porcupine.CheckResult {
	shared := s.client(t)
	nodes, memories, namespace := make([]*node, 3), make([]memory, 3), secret.Text() // what another run left is of other records
	for i := range nodes {
		nodes[i] = newNode(shared)
		nodes[i].times, nodes[i].scripts, nodes[i].prefix = fast, p.scripts, namespace
		nodes[i].times.patience = p.patience
		if memories[i] = memory(nodes[i].Facts); p.clumsy != nil {
			memories[i] = p.clumsy(nodes[i].Facts)
		}
	}
	store := make([]record, records)
	histories := make([][]porcupine.Operation, clients)
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()

	var wg sync.WaitGroup
	wg.Go(func() { cutOff(ctx, nodes[2].conn) })
	if !p.calm {
		wg.Go(func() { p.trouble(ctx, t, shared, nodes, keysOfRecords(namespace)) })
	}
	for c := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				i, via := rand.N(records), memories[rand.N(len(memories))]
				op := porcupine.Operation{ClientId: c, Call: int64(time.Since(begun)), Metadata: i}
				if rand.N(6) == 0 {
					op.Input = store[i].write()
					if err := via.Changed(t.Context(), strconv.Itoa(i)); err != nil {
						t.Errorf("Changed: %v", err)
					}
				} else {
					value, err := via.Fetch(t.Context(), strconv.Itoa(i), store[i].read)
					if err != nil {
						t.Errorf("Fetch: %v", err)
					}
					op.Output, _ = strconv.Atoi(string(value))
				}
				op.Return = int64(time.Since(begun))
				histories[c] = append(histories[c], op)
			}
		})
	}
	wg.Wait()
	return check(histories)
}

func check(histories [][]porcupine.Operation) porcupine.CheckResult {
	byRecord := make([][]porcupine.Operation, records)
	for _, history := range histories {
		for _, op := range history {
			byRecord[op.Metadata.(int)] = append(byRecord[op.Metadata.(int)], op)
		}
	}
	for _, history := range byRecord {
		if result := porcupine.CheckOperationsTimeout(register, history, ample); result != porcupine.Ok {
			return result
		}
	}
	return porcupine.Ok
}

// TestLinearizable: whatever happens to Redis, the memory in common cannot be told from the store.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for round := range 8 {
		p := plan{scripts: protocol, patience: hardly}
		if round%2 == 1 {
			p.patience = long
		}
		if result := p.run(t, s); result != porcupine.Ok {
			t.Fatalf("round %d: the history of the register is %v", round, result)
		}
	}
}
