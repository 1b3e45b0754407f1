package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// Imported counts what a pass brought over. A pass that goes on where another one stopped counts its own part.
type Imported struct {
	Repositories int   `json:"repositories"`
	Manifests    int   `json:"manifests"`
	Referrers    int   `json:"referrers"`
	Tags         int   `json:"tags"`
	Blobs        int   `json:"blobs"` // that had no pointer
	Bytes        int64 `json:"bytes"` // of these; none of them is moved
}

// ImportOptions choose what Import does.
type ImportOptions struct {
	DryRun   bool                              // count what is left to be brought over, and write nothing
	Progress func(stage string, done, all int) // called often, by one goroutine at a time; all is 0: it is not known
}

// How much one step of the pass does before it writes down how far it came, and how much of that side by side.
const (
	namesPerStep        = 1000
	repositoriesPerStep = 64
	repositoriesAtOnce  = 4
)

// Import is the pass that brings over what CNCF Distribution wrote; see legacy.go. It goes on where the last one stopped, and returns at once where
// nothing is left. It may run beside nodes that serve, and beside another one.
func (r *Registry) Import(ctx context.Context, opts ImportOptions) (Imported, error) {
	p := &pass{Registry: r, opts: opts}
	if opts.DryRun {
		err := p.dryRun(ctx)
		return p.done, err
	}
	if err := r.writable(); err != nil {
		return p.done, err
	}
	if err := r.Prepare(ctx); err != nil {
		return p.done, err
	}
	cur, err := load[format](ctx, r.driver, r.keys.format())
	for err == nil && cur.live() && cur.Value.Stage > stageDone {
		cur, err = p.step(ctx, cur)
	}
	return p.done, err
}

// pass is one under way.
type pass struct {
	*Registry
	opts ImportOptions

	mu    sync.Mutex // guards what follows, and the callback
	done  Imported
	stage stage
	steps int
}

// step does the next piece of the pass and writes down that it is done.
func (p *pass) step(ctx context.Context, cur stored[format]) (stored[format], error) {
	at := *cur.Value
	do := map[stage]func(context.Context, string) (string, error){stageCatalog: p.names, stageRepositories: p.repositories, stageBlobs: p.blobs}[at.Stage]
	if do == nil {
		return cur, fmt.Errorf("%s says that stage %d is left, which this node does not know", p.keys.format(), at.Stage)
	}
	after, err := do(ctx, at.After)
	if err != nil {
		return cur, fmt.Errorf("%s: %w", at.Stage, err)
	}
	if at.After = after; after == "" {
		at.Stage--
	}
	if at.Stage == stageDone {
		at.State = formatDone
	}
	now, err := update(ctx, p.driver, p.keys.format(), cur, func(f *format) *format {
		if f == nil || f.beyond(at) { // another pass was faster
			return nil
		}
		next := at
		next.ID = cmp.Or(f.ID, at.ID)
		return &next
	})
	if err == nil && !now.live() {
		err = errors.New(p.keys.format() + " has vanished")
	}
	if err == nil {
		p.lower(now.Value.Stage)
	}
	return now, err
}

// count notes one thing that is done.
func (p *pass) count(s stage, add func(*Imported)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s != p.stage {
		p.stage, p.steps = s, 0
	}
	p.steps++
	add(&p.done)
	if p.opts.Progress != nil {
		p.opts.Progress(s.String(), p.steps, 0)
	}
}

// names brings over the catalog.
func (p *pass) names(ctx context.Context, after string) (next string, err error) {
	names, more, err := p.oldRepositories(ctx, after, namesPerStep)
	if err != nil {
		return "", err
	}
	group, work := workers(ctx)
	for _, name := range names {
		group.Go(func() error {
			err := p.Repository(reference.Name(name)).enroll(work)
			p.count(stageCatalog, func(done *Imported) { done.Repositories++ })
			return err
		})
	}
	if more {
		next = names[len(names)-1]
	}
	return next, group.Wait()
}

// repositories brings over what is in some repositories.
func (p *pass) repositories(ctx context.Context, after string) (next string, err error) {
	names, more, err := p.Catalog(ctx, after, repositoriesPerStep)
	if err != nil {
		return "", err
	}
	group, work := errgroup.WithContext(ctx)
	group.SetLimit(repositoriesAtOnce)
	for _, name := range names {
		group.Go(func() error {
			if err := p.repository(work, p.Repository(reference.Name(name)).anew()); err != nil {
				return fmt.Errorf("repository %s: %w", name, err)
			}
			return nil
		})
	}
	if more && len(names) > 0 {
		next = names[len(names)-1]
	}
	return next, group.Wait()
}

func (p *pass) repository(ctx context.Context, r *Repository) error {
	group, work := workers(ctx)
	err := p.each(ctx, r.keys.prefix+"_manifests/revisions/", func(info drivers.Info) error {
		at := p.keys.parse(info.Key)
		if at.kind != keyRevision || info.Size == 0 {
			return nil
		}
		group.Go(func() error {
			referrer, err := r.bringManifest(work, at.digest)
			p.count(stageRepositories, func(done *Imported) {
				done.Manifests++
				if referrer {
					done.Referrers++
				}
			})
			return err
		})
		return nil
	})
	if waitErr := group.Wait(); err == nil {
		err = waitErr
	}
	if err != nil {
		return err
	}
	// A blob that was pushed under another digest than sha256 has its bytes under that one: to look it up is to store it.
	err = p.each(ctx, r.keys.aliasesPrefix(), func(info drivers.Info) error {
		at := p.keys.parse(info.Key)
		if at.kind != keyLayer || info.Size == 0 {
			return nil
		}
		if _, err := r.linked(ctx, at.digest, r.hold); CodeOf(err) != BlobUnknown {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	tags, err := r.bringTagsCounting(ctx)
	p.count(stageRepositories, func(done *Imported) { done.Tags += tags })
	return err
}

// blobs gives a page of blobs their pointers.
func (p *pass) blobs(ctx context.Context, after string) (next string, err error) {
	page, err := p.driver.List(ctx, drivers.ListOptions{Prefix: p.keys.blobsPrefix(), After: after})
	if err != nil {
		return "", err
	}
	group, work := workers(ctx)
	for info := range p.pointerless(page.Objects) {
		d, _ := p.keys.parseGeneration0(info.Key)
		group.Go(func() error {
			want := pointer{State: stateLive, Size: info.Size, Distribution: true}
			_, err := swap(work, p.driver, p.keys.pointer(d), stored[pointer]{}, want)
			if err == nil {
				p.count(stageBlobs, func(done *Imported) { done.Blobs++; done.Bytes += info.Size })
			}
			if errors.Is(err, drivers.ErrPrecondition) {
				return nil
			}
			return err
		})
	}
	return page.Next, group.Wait()
}

// pointerless are those of objects that are bytes of CNCF Distribution's and are not followed by a pointer. The last one may be followed on the next page.
func (p *pass) pointerless(objects []drivers.Info) func(yield func(drivers.Info) bool) {
	return func(yield func(drivers.Info) bool) {
		for i, info := range objects {
			d, ok := p.keys.parseGeneration0(info.Key)
			if !ok || i+1 < len(objects) && objects[i+1].Key == p.keys.pointer(d) {
				continue
			}
			if !yield(info) {
				return
			}
		}
	}
}

// dryRun counts what is left.
func (p *pass) dryRun(ctx context.Context) error {
	cur, err := load[format](ctx, p.driver, p.keys.format())
	if err != nil || cur.live() && cur.Value.Stage == stageDone {
		return err
	}
	for after, more := "", true; more; {
		var names []string
		if names, more, err = p.oldRepositories(ctx, after, namesPerStep); err != nil {
			return err
		}
		for _, name := range names {
			after = name
			if err := p.dryRunRepository(ctx, p.Repository(reference.Name(name))); err != nil {
				return err
			}
		}
	}
	var last drivers.Info
	return p.each(ctx, p.keys.blobsPrefix(), func(info drivers.Info) error {
		if _, ok := p.keys.parseGeneration0(info.Key); ok {
			last = info
			p.count(stageBlobs, func(done *Imported) { done.Blobs++; done.Bytes += info.Size })
		} else if last.Key != "" && path.Dir(last.Key) == path.Dir(info.Key) { // its pointer, which comes right behind it
			p.count(stageBlobs, func(done *Imported) { done.Blobs--; done.Bytes -= last.Size })
		}
		return nil
	})
}

func (p *pass) dryRunRepository(ctx context.Context, r *Repository) error {
	p.count(stageCatalog, func(done *Imported) { done.Repositories++ })
	tags, err := r.missingTags(ctx)
	if err != nil {
		return err
	}
	p.count(stageRepositories, func(done *Imported) { done.Tags += len(tags) })
	return p.each(ctx, r.keys.prefix+"_manifests/revisions/", func(info drivers.Info) error {
		if p.keys.parse(info.Key).kind == keyRevision && info.Size > 0 {
			p.count(stageRepositories, func(done *Imported) { done.Manifests++ })
		}
		return nil
	})
}
