package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// # Stores that CNCF Distribution wrote
//
// They open in place, and no byte of theirs is moved, changed or removed:
//
//	blobs/<alg>/<2 hex>/<hex>/data                                       generation 0 of a blob: its bytes, while it has no pointer or its pointer says so
//	repositories/<name>/_layers/<alg>/<hex>/link                         a live link, although it holds a bare digest: for ever
//	repositories/<name>/_manifests/revisions/<alg>/<hex>/link            likewise; the media type is in the manifest itself
//	repositories/<name>/_manifests/tags/<tag>/current/link               a tag, unless anything stands at _tags/<tag>: a tombstone there means deleted
//	repositories/<name>/_manifests/                                      the repository exists, although it has no leaf in the catalog
//
// The last two, and blobs without a pointer, cost reads a second look, and lists a second listing. So one background pass (legacyimport.go) brings
// them over, in three stages: the catalog, then the manifests and tags of each repository, then the pointers of all blobs. Once a stage is over,
// nobody looks in the old place again. Links stay as they are: a bare digest reads as well as a record, and Distribution can read it too.
//
// # Commit points
//
// meta/format says how far the pass has come. It is written when a store is first opened, as done where the store is empty, and changed by
// compare-and-swap. It only ever goes forward. A node reads it when it starts and, while something is left, every few seconds: one that is behind looks
// in both places, which is slower and never wrong. It has to be read before what it is about: "nothing left" means that ours is there to be found.
//
// Everything that the pass writes, it creates (If-None-Match). So whatever a client did stands: a tag or a pointer that was pushed, a tag that
// was deleted (until nothing is left, nobody may remove a tombstone). Two passes at once, or one that is killed and starts again, write the same, once.
// The mark of a tag comes before the tag, as in a push.
//
// A deletion of a manifest finds tags by their marks, and old tags have none. So it brings the tags of its repository over first; what
// follows is as ever. A pass that had read one of those tags before finds it there, or its tombstone, and leaves it.
//
// Bare links need no nonce: once swapped for a tombstone or a record, a bare digest never comes to stand there again.
//
// CNCF Distribution must not write to the store any more, nor collect garbage in it. What it does write once the pass is over is not brought over by another
// one: nobody could tell what it deleted meanwhile from what only registryd ever had, and which of two tags is newer would hang on times that a copy of
// the bucket does not keep. It is found, and people are told (legacylate.go).

// origin says who wrote a store first.
type origin string

const (
	originOurs         origin = "registryd"
	originDistribution origin = "distribution"
)

// stage is what is left of the pass, this one and those below it.
type stage int32

const (
	stageDone stage = iota
	stageBlobs
	stageRepositories
	stageCatalog
)

// String is how people read of it.
func (s stage) String() string {
	return [...]string{"done", "bringing over blobs", "bringing over tags and manifests", "bringing over the names of repositories"}[s]
}

// format is the record of what a store is.
type format struct {
	header
	ID     string `json:"id,omitempty"` // of the store, random; empty where an older release wrote the record
	Origin origin `json:"origin"`
	State  string `json:"state"`           // "importing" or "done"
	Stage  stage  `json:"stage,omitempty"` // what is left
	After  string `json:"after,omitempty"` // where the stage stands: the last key or name that is over
}

const (
	formatImporting = "importing"
	formatDone      = "done"
)

// beyond says whether f is at least as far as g.
func (f format) beyond(g format) bool {
	return f.Stage < g.Stage || f.Stage == g.Stage && f.After >= g.After
}

// refreshAfter is how long a node believes what it knows of the pass, while something is left.
const refreshAfter = 3 * time.Second

// legacy is what a node knows of the pass.
type legacy struct {
	left atomic.Int32 // a stage; nothing, once and for all, where the store is ours

	mu   sync.Mutex // held while the record is read
	read time.Time

	brought *lru[reference.Name] // repositories whose tags were all brought over
}

// Prepare finds out whether CNCF Distribution wrote this store, and writes it down. A store where it did is served right only after this; any other
// may be used without. It also finds the id of the store (see ID). It costs one request, two more when the store is opened for the first time.
func (r *Registry) Prepare(ctx context.Context) error {
	_, err := r.survey(ctx, !r.opts.ReadOnly)
	return err
}

// survey reads the record. With write it creates one where there is none.
func (r *Registry) survey(ctx context.Context, write bool) (format, error) {
	cur, err := load[format](ctx, r.driver, r.keys.format())
	if err == nil && !cur.live() {
		cur, err = r.claim(ctx, cur, write)
	}
	if err != nil {
		return format{}, fmt.Errorf("find out who wrote the store: %w", err)
	}
	if left := cur.Value.Stage; left < stageDone || left > stageCatalog {
		return format{}, fmt.Errorf("%s says that stage %d is left, which this node does not know", r.keys.format(), left)
	}
	if write {
		if cur, err = r.identify(ctx, cur); err != nil {
			return format{}, fmt.Errorf("give the store an id: %w", err)
		}
	}
	if id := cur.Value.ID; id != "" {
		r.id.CompareAndSwap(nil, &id)
	}
	r.legacy.left.Store(int32(cur.Value.Stage))
	return *cur.Value, nil
}

// claim makes the first record of a store.
func (r *Registry) claim(ctx context.Context, cur stored[format], write bool) (stored[format], error) {
	page, err := r.driver.List(ctx, drivers.ListOptions{Prefix: r.keys.root + "/", Delimiter: "/"})
	if err != nil {
		return cur, err
	}
	first := format{ID: rand.Text(), Origin: originOurs, State: formatDone}
	for _, group := range page.Groups {
		if group == r.keys.blobsPrefix() || group == r.keys.repositoriesPrefix() {
			first.Origin, first.State, first.Stage = originDistribution, formatImporting, stageCatalog
		}
	}
	if !write {
		first.ID = ""
		return stored[format]{Value: &first}, nil
	}
	now, err := swap(ctx, r.driver, r.keys.format(), cur, first)
	if errors.Is(err, drivers.ErrPrecondition) && now.live() { // another node was faster
		err = nil
	}
	return now, err
}

// identify makes sure that the store has its id. The first one stays: what nodes keep elsewhere is under it. A node of an older release that brings over
// what CNCF Distribution wrote drops it from the record; then whoever knows it puts the same one back (see refresh).
func (r *Registry) identify(ctx context.Context, cur stored[format]) (stored[format], error) {
	now, err := update(ctx, r.driver, r.keys.format(), cur, func(f *format) *format {
		if f == nil || f.ID != "" {
			return nil
		}
		named := *f
		if named.ID = r.ID(); named.ID == "" {
			named.ID = rand.Text()
		}
		return &named
	})
	if err == nil && !now.live() {
		err = errors.New(r.keys.format() + " has vanished")
	}
	return now, err
}

// Importing says whether there is still something of CNCF Distribution's to bring over, as far as this process knows.
func (r *Registry) Importing() bool { return r.legacy.left.Load() > int32(stageDone) }

// looks says whether what stage s brings over may still have to be looked for in the old places. It must be asked before the new ones are read.
func (r *Registry) looks(ctx context.Context, s stage) bool {
	if r.legacy.left.Load() < int32(s) {
		return false
	}
	r.refresh(ctx)
	return r.legacy.left.Load() >= int32(s)
}

// refresh reads the record again if that was not done lately. A failure leaves things as they are, which is slow and safe.
func (r *Registry) refresh(ctx context.Context) {
	if !r.legacy.mu.TryLock() {
		return
	}
	defer r.legacy.mu.Unlock()
	if now := r.opts.Now(); now.Sub(r.legacy.read) >= refreshAfter {
		r.legacy.read = now
		if cur, err := load[format](ctx, r.driver, r.keys.format()); err == nil && cur.live() {
			r.lower(cur.Value.Stage)
			if r.ID() != "" && !r.opts.ReadOnly {
				_, _ = r.identify(ctx, cur)
			}
		}
	}
}

// lower notes that no more than left is left.
func (r *Registry) lower(left stage) {
	for {
		known := r.legacy.left.Load()
		if int32(left) >= known || r.legacy.left.CompareAndSwap(known, int32(left)) {
			return
		}
	}
}
