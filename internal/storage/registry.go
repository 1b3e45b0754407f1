package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// Registry is everything in one store. Its methods, and those of its repositories, may be called from many goroutines at once, and from many
// processes on one store.
type Registry struct {
	driver drivers.Driver
	keys   keys
	opts   Options
	known  *lru[reference.Name] // repositories that have their catalog leaf
	gone   *lru[string]         // uploads cancelled through this process
	legacy legacy

	outbox  Outbox // nil for none
	settled settled
	leases  leasesSeen
	cache   *cache                 // nil for none
	id      atomic.Pointer[string] // once it is known

	verifying chan struct{} // holds one for each TarSum that is being computed
}

// Options are what can be chosen. The zero Options are the defaults.
type Options struct {
	Root       string           // where keys begin; DefaultRoot
	Now        func() time.Time // the clock; time.Now
	UploadTTL  time.Duration    // how long an upload may take; 12 hours
	IndexRule  IndexRule        // which children of an index must exist; all
	Rules      manifest.Rules   // what is taken beyond what everybody may push: Docker schema 1, and TarSums, of blobs too; neither
	Trusted    *manifest.KeySet // of those who sign Docker schema 1, one at least has to be among these; nil for anybody
	DeletesOff bool             // every delete fails with Unsupported
	ReadOnly   bool             // every write fails with Unsupported
	Facts      Facts            // what the nodes on the store remember in common of records that change; nothing
	CacheBytes int64            // how much this process remembers of what does not change, in bytes; nothing
}

// defaultUploadTTL is below the 24 hours after which MinIO drops multipart uploads by itself.
const defaultUploadTTL = 12 * time.Hour

// memoLength bounds what a process remembers of repositories and uploads, in entries.
const memoLength = 16 << 10

// New is a registry on a store.
func New(driver drivers.Driver, opts Options) *Registry {
	if opts.Root == "" {
		opts.Root = DefaultRoot
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.UploadTTL == 0 {
		opts.UploadTTL = defaultUploadTTL
	}
	if opts.Facts == nil {
		opts.Facts = unremembered{}
	}
	r := &Registry{
		driver: driver,
		keys:   keys{opts.Root},
		opts:   opts,
		known:  newLRU[reference.Name](memoLength),
		gone:   newLRU[string](memoLength),
		cache:  newCache(opts.CacheBytes),

		verifying: make(chan struct{}, verifications),
	}
	r.legacy.brought = newLRU[reference.Name](memoLength)
	return r
}

// Repository is one repository of a registry, whether or not anything is in it yet.
type Repository struct {
	registry *Registry
	name     reference.Name
	keys     repoKeys
	fresh    bool // nothing that is remembered will do
}

// Repository gives the repository of that name, at no cost.
func (r *Registry) Repository(name reference.Name) *Repository {
	return &Repository{registry: r, name: name, keys: r.keys.repository(name)}
}

// ID is what tells this store from all others. It is drawn when the store is first opened, and stays. Whatever nodes keep of it elsewhere belongs under
// it, so that two stores never mix. It is known after Prepare; empty where a process that may not write found none.
func (r *Registry) ID() string {
	if id := r.id.Load(); id != nil {
		return *id
	}
	return ""
}

// Remember names what the nodes on the store remember in common, in the place of Options.Facts: where that is may depend on the ID. It is called before the
// registry is used, and may be called after Prepare.
func (r *Registry) Remember(facts Facts) { r.opts.Facts = facts }

// Name is what the repository is called.
func (r *Repository) Name() reference.Name { return r.name }

// newID is a fresh ULID: it starts with its time and is never made again.
func (r *Registry) newID() string {
	return ulid.MustNew(ulid.Timestamp(r.opts.Now()), rand.Reader).String()
}

// writable fails where writes are off.
func (r *Registry) writable() error {
	if r.opts.ReadOnly {
		return fail(Unsupported, "the registry is read-only at the moment, push again when its maintenance is over", nil)
	}
	return nil
}

// deletable fails where deletes are off.
func (r *Registry) deletable() error {
	if r.opts.DeletesOff {
		return fail(Unsupported, "deleting is switched off in this registry, ask its operator to set storage.delete.enabled", nil)
	}
	return r.writable()
}

// exists says whether anything was ever pushed to the repository.
func (r *Repository) exists(ctx context.Context) error {
	if r.registry.known.has(r.name) {
		return nil
	}
	old := r.registry.looks(ctx, stageCatalog)
	_, err := r.registry.driver.Stat(ctx, r.registry.keys.catalog(r.name))
	if errors.Is(err, drivers.ErrNotFound) && old {
		var is bool
		if is, err = r.old(ctx); is || err != nil {
			return err
		}
		err = drivers.ErrNotFound
	}
	if errors.Is(err, drivers.ErrNotFound) {
		return fail(NameUnknown, "this repository does not exist, push an image to it first", map[string]string{"name": string(r.name)})
	}
	return err
}
