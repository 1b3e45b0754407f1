package drivertest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/registryd/registryd/internal/drivers"
)

// Fake is a store in memory that fails the test, and the call, when its caller
//   - makes a key a folder of another key (MinIO would hide one of them),
//   - writes to a key `data/<2 hex>/<id>` a second time, or uses a fresh key of an upload twice,
//   - replaces an object by other content without a condition, as an IfMatch that was left empty does (see AllowOverwrite),
//   - gives an IfMatch that no object ever had,
//   - reads from a closed reader, or closes none (see AssertClosed).
//
// Its ETags depend on content alone, as those of S3 do: a record that is changed from A to B and back has its first ETag again, unless
// there is a nonce in it. Its pages are small.
type Fake struct {
	DefaultPage int   // size of a page where no Limit is given
	MaxPage     int   // size of a page whatever the Limit
	PartSize    int64 // an Append stores and tells of so many bytes at a time, of which SaveInterval is a multiple

	t testing.TB

	mu        sync.Mutex
	objects   map[string]object
	folders   map[string]int  // how many objects are somewhere below
	written   map[string]bool // all keys that ever held an object
	fresh     map[string]bool // all that were given to Append as such
	etags     map[string]bool // all that were ever given
	lines     map[string]*fakeLine
	readers   map[*fakeReader]bool
	counts    Counts
	overwrite bool
	steps     int
	fault     *Fault
}

var _ drivers.Driver = (*Fake)(nil)

type object struct {
	info drivers.Info
	data chunks
}

// NewFake gives an empty store that reports misuse to t.
func NewFake(t testing.TB) *Fake {
	return &Fake{
		DefaultPage: 5, MaxPage: 1000, PartSize: drivers.SaveInterval,
		t:       t,
		objects: make(map[string]object), folders: make(map[string]int), written: make(map[string]bool), fresh: make(map[string]bool), etags: make(map[string]bool),
		lines: make(map[string]*fakeLine), readers: make(map[*fakeReader]bool), counts: make(Counts),
	}
}

// AllowOverwrite lets Puts without a condition replace objects.
func (f *Fake) AllowOverwrite() *Fake {
	f.overwrite = true
	return f
}

// Counts gives how often each method was called since the last ResetCounts.
func (f *Fake) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// ResetCounts starts counting again.
func (f *Fake) ResetCounts() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
}

// Keys gives the keys of all objects in order, without counting as a call.
func (f *Fake) Keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.objects))
}

// Pending gives the keys of the uploads that are neither committed nor aborted.
func (f *Fake) Pending() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.lines))
}

// AssertClosed fails the test if a reader that Open gave was not closed.
func (f *Fake) AssertClosed(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		t.Errorf("a reader of %s was not closed", r.key)
	}
}

// Inject arms a fault, as a Harness wants it. Each call is one step, save that a Delete has one for each key and an Append one at its start and
// one for each point that becomes durable.
func (f *Fake) Inject(fault Fault) (disarm func() (happened bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps, f.fault = 0, &fault
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fault = nil
		return f.steps >= fault.Step
	}
}

// Ping counts.
func (f *Fake) Ping(ctx context.Context) error {
	defer f.call(OpPing)()
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.step(func() {})
}

// Close does nothing: the store outlives its process.
func (f *Fake) Close() error { return nil }

// call counts a call and locks the store; the function it gives unlocks it.
func (f *Fake) call(op Op) (done func()) {
	f.mu.Lock()
	f.counts[op]++
	return f.mu.Unlock
}

// step does what a call is for, unless a fault comes before it. The store is locked.
func (f *Fake) step(apply func()) error {
	f.steps++
	if f.fault == nil || f.steps != f.fault.Step {
		apply()
		return nil
	}
	if f.fault.Outcome == Unanswered {
		apply()
	}
	return failure(fmt.Sprintf("injected: step %d %v", f.steps, f.fault.Outcome))
}

// misuse reports a mistake of the caller.
func (f *Fake) misuse(format string, args ...any) error {
	f.t.Helper()
	err := fmt.Errorf("misuse of the driver: "+format, args...)
	f.t.Error(err)
	return err
}

// dataKey is a key of content that is written once.
var dataKey = regexp.MustCompile(`(^|/)data/[0-9a-f]{2}/[^/]+$`)

// mayStore checks that an object may come to stand at key. The store is locked.
func (f *Fake) mayStore(key string) error {
	if f.folders[key] > 0 {
		return f.misuse("%s is written, and is a folder of other keys", key)
	}
	for dir := range folders(key) {
		if _, ok := f.objects[dir]; ok {
			return f.misuse("%s is written below %s, which is a key", key, dir)
		}
	}
	if dataKey.MatchString(key) && f.written[key] {
		return f.misuse("%s is written a second time", key)
	}
	return nil
}

// store puts an object at key.
func (f *Fake) store(key string, o object) {
	if _, ok := f.objects[key]; !ok {
		for dir := range folders(key) {
			f.folders[dir]++
		}
	}
	f.objects[key] = o
	f.written[key] = true
	f.etags[o.info.ETag] = true
}

func (f *Fake) remove(key string) {
	if _, ok := f.objects[key]; ok {
		for dir := range folders(key) {
			f.folders[dir]--
		}
		delete(f.objects, key)
	}
}

// folders gives the keys that key would be below.
func folders(key string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range len(key) {
			if key[i] == '/' && !yield(key[:i]) {
				return
			}
		}
	}
}
