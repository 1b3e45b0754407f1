package events

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/storage"
)

var errStore = errors.New("the store is away, says the test")

// journal is a Registry in memory. What is settled is gone at once.
type journal struct {
	mu       sync.Mutex
	entries  map[string]storage.Entry
	outcomes map[string]storage.Outcome // Visible where it says nothing
	settled  map[string]int
	dead     map[string]map[string]storage.DeadEvent
	deadErr  error
	sorted   []string // the ids, while they are known
	leases   map[string]bool

	handed  map[string][]storage.Handed
	broken  map[string]bool // of these
	handErr error
	dropped int
}

func newJournal() *journal {
	return &journal{
		entries: map[string]storage.Entry{}, outcomes: map[string]storage.Outcome{}, settled: map[string]int{},
		dead: map[string]map[string]storage.DeadEvent{}, leases: map[string]bool{},
		handed: map[string][]storage.Handed{}, broken: map[string]bool{},
	}
}

var entropy = &ulid.LockedMonotonicReader{MonotonicReader: ulid.Monotonic(rand.Reader, 0)}

// newID gives ids in order also within a millisecond.
func newID(at time.Time) string { return ulid.MustNew(ulid.Timestamp(at), entropy).String() }

// push writes an entry as old as is said, with one event for each tag.
func (j *journal) push(t testing.TB, repository reference.Name, age time.Duration, tags ...reference.Tag) storage.Entry {
	t.Helper()
	var events []Event
	for _, tag := range tags {
		events = append(events, origin().ManifestPushed(Target{Repository: repository, Tag: tag, MediaType: "application/x", Digest: d("image"), Size: 5}))
	}
	note, err := Note(events...)
	if err != nil {
		t.Fatal(err)
	}
	entry := storage.Entry{ID: newID(time.Now().Add(-age)), Action: storage.ActionPush, Repository: repository, Tags: tags, Digest: d("image"), Note: note}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries[entry.ID], j.sorted = entry, nil
	return entry
}

func (j *journal) Journal(_ context.Context, after string, n int) (ids []string, next string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.sorted == nil {
		j.sorted = slices.Sorted(maps.Keys(j.entries))
	}
	first, found := slices.BinarySearch(j.sorted, after)
	if found {
		first++
	}
	if ids = j.sorted[first:]; len(ids) > n {
		return ids[:n], ids[n-1], nil
	}
	return ids, "", nil
}

func (j *journal) Entry(_ context.Context, id string) (*storage.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok := j.entries[id]
	if !ok {
		return nil, nil
	}
	return &entry, nil
}

func (j *journal) Outcome(_ context.Context, e *storage.Entry) (storage.Outcome, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if outcome, ok := j.outcomes[e.ID]; ok {
		return outcome, nil
	}
	return storage.Visible, nil
}

func (j *journal) Settle(ids ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		delete(j.entries, id)
		j.sorted = nil
		j.settled[id]++
	}
}

func (j *journal) PutDead(_ context.Context, endpoint string, e storage.DeadEvent) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.deadErr != nil {
		return j.deadErr
	}
	if j.dead[endpoint] == nil {
		j.dead[endpoint] = map[string]storage.DeadEvent{}
	}
	j.dead[endpoint][e.ID] = e
	return nil
}

func (j *journal) WithLease(ctx context.Context, name string, _ time.Duration, fn func(context.Context) error) error {
	j.mu.Lock()
	held := j.leases[name]
	j.leases[name] = true
	j.mu.Unlock()
	if held {
		return storage.ErrLeaseHeld
	}
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.leases, name)
	}()
	return fn(ctx)
}

func (j *journal) Hand(_ context.Context, entries ...storage.Handed) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handErr == nil {
		j.handed[newID(time.Now())] = entries
	}
	return j.handErr
}

func (j *journal) HandedOver(context.Context, string, int) (ids []string, next string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.handed)), "", nil
}

func (j *journal) ReadHanded(_ context.Context, id string) ([]storage.Handed, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken[id] {
		return nil, storage.ErrHanded
	}
	return j.handed[id], nil
}

func (j *journal) DropHanded(ids ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		delete(j.handed, id)
		j.dropped++
	}
}

// left is how many entries nobody has settled.
func (j *journal) left() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries)
}

func (j *journal) buried(endpoint string) []storage.DeadEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []storage.DeadEvent
	for _, e := range j.dead[endpoint] {
		all = append(all, e)
	}
	return all
}

// eventually waits for something that is to come by itself.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(3 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("this never came true: %s", what)
		}
	}
}

// quick are times for tests: all that is waited for is short, all that is a limit is long.
var quick = times{
	budget: 2 * time.Second, poll: 20 * time.Millisecond, drain: 2 * time.Second, census: 50 * time.Millisecond,
	stale: 20 * time.Second, refresh: 200 * time.Millisecond, lease: 3 * time.Second,
	relayLease: 10 * time.Second, relayRetry: 50 * time.Millisecond, untold: 100 * time.Millisecond,
	betweenWalks: 50 * time.Millisecond, betweenPages: 20 * time.Millisecond, away: 300 * time.Millisecond,
	directWalk: 50 * time.Millisecond, hand: 20 * time.Millisecond, gone: 10 * time.Minute, idle: time.Hour,
}

// running is an Events that runs.
type running struct {
	*Events
	stop func() // ends it, and waits
}

// run runs a node until the test ends.
func run(t testing.TB, s Settings, change func(*Events)) *running {
	t.Helper()
	if s.Instance == "" {
		s.Instance = "node-" + rand.Text()
	}
	e := New(s)
	e.times = quick
	if change != nil {
		change(e)
	}
	return &running{e, runUntilEnd(t, e.Run)}
}

// runUntilEnd runs something until the test ends, or what it gives is called.
func runUntilEnd(t testing.TB, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}
