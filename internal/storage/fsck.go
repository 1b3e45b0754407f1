package storage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/drivers"
)

// pruneAge is how old something that nothing names must be before it is removed: older than any upload can become.
const pruneAge = 24 * time.Hour

// FsckOptions choose what Fsck does.
type FsckOptions struct {
	Deep     bool                              // read all data and compare the digests
	Prune    bool                              // remove leftovers older than a day
	Repair   bool                              // withdraw blobs whose bytes are missing or wrong, so that clients push them again
	Finding  func(Finding)                     // called for each finding, by one goroutine at a time
	Progress func(stage string, done, all int) // called often, by one goroutine at a time; all is 0 when it is not known
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Damage   Severity = "damage"   // something acknowledged cannot be served, or not rightly
	Leftover Severity = "leftover" // something takes up space for nothing
	Note     Severity = "note"     // worth knowing: asked for, or under way
)

// Finding is one thing that Fsck met.
type Finding struct {
	Severity Severity      `json:"severity"`
	Key      string        `json:"key"`
	Message  string        `json:"message"`
	Size     int64         `json:"size,omitempty"` // bytes it takes up
	Age      time.Duration `json:"age,omitempty"`  // nanoseconds, by the store's clock
	Pruned   bool          `json:"pruned,omitempty"`
	Repaired bool          `json:"repaired,omitempty"` // the blob was withdrawn, or is served again
}

// FsckSummary counts what Fsck saw.
type FsckSummary struct {
	Blobs        int   `json:"blobs"`
	Bytes        int64 `json:"bytes"` // of the blobs
	Repositories int   `json:"repositories"`
	Manifests    int   `json:"manifests"`
	Tags         int   `json:"tags"`
	Uploads      int   `json:"uploads"` // under way, with a checkpoint
	Journal      int   `json:"journal"` // pushes and deletions under way, or not yet delivered
	Dead         int   `json:"dead"`    // events that an endpoint did not take
	Damage       int   `json:"damage"`
	Leftovers    int   `json:"leftovers"`
	Pruned       int   `json:"pruned"`
	PrunedBytes  int64 `json:"prunedBytes"`
	Repaired     int   `json:"repaired"` // blobs withdrawn, or served again
}

// Fsck looks at the whole store: each record parses, each link has its pointer, each pointer its data, each tag its revision, each revision its
// blobs. It may run beside nodes that serve: data is listed before pointers and pointers before links, so that what is being pushed looks whole, and
// what looks damaged is read once more before it is called so. It holds a few hundred bytes for each blob in memory.
func (r *Registry) Fsck(ctx context.Context, opts FsckOptions) (FsckSummary, error) {
	f := &fsck{Registry: r, opts: opts, data: map[string]drivers.Info{}, old: map[digest.Digest]drivers.Info{}, blobs: map[digest.Digest]*seenBlob{}}
	for _, step := range []func(context.Context) error{f.ask, f.whose, f.listData, f.checkPointers, f.checkRepositories, f.checkCatalog, f.checkJournal, f.checkDead, f.leftovers, f.oldLeftovers} {
		if err := step(ctx); err != nil {
			return f.summary, err
		}
	}
	return f.summary, nil
}

// ask makes sure of the clock where something is to be removed by its age.
func (f *fsck) ask(ctx context.Context) error {
	if !f.opts.Prune {
		return nil
	}
	return f.agree(ctx)
}

// fsck is a look at the store under way.
type fsck struct {
	*Registry
	opts FsckOptions
	data map[string]drivers.Info // by id; what no pointer names is left in the end

	old    map[digest.Digest]drivers.Info // bytes that CNCF Distribution wrote; likewise
	origin origin

	mu       sync.Mutex // guards what follows, and the callbacks
	blobs    map[digest.Digest]*seenBlob
	enrolled map[string]bool // repositories that have manifests
	kept     kept
	summary  FsckSummary
	blind    bool // a pointer could not be read
	stage    string
	done     int
	all      int
}

// seenBlob is a pointer that was read.
type seenBlob struct {
	key    string
	size   int64
	age    time.Duration
	linked bool
	lost   string // where its bytes are missing or wrong: the ETag of the pointer that says where they should be
}

func (f *fsck) found(severity Severity, key, format string, args ...any) {
	f.report(Finding{Severity: severity, Key: key, Message: fmt.Sprintf(format, args...)})
}

func (f *fsck) report(finding Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch finding.Severity {
	case Damage:
		f.summary.Damage++
	case Leftover:
		f.summary.Leftovers++
	}
	if finding.Repaired {
		f.summary.Repaired++
	}
	if finding.Pruned {
		f.summary.Pruned++
		f.summary.PrunedBytes += finding.Size
	}
	if f.opts.Finding != nil {
		f.opts.Finding(finding)
	}
}

// begin starts a stage of the progress, step is one step in it.
func (f *fsck) begin(stage string, all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stage, f.done, f.all = stage, -1, all
	f.advance()
}

func (f *fsck) step() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
}

func (f *fsck) advance() {
	f.done++
	if f.opts.Progress != nil {
		f.opts.Progress(f.stage, f.done, f.all)
	}
}

func (f *fsck) age(info drivers.Info) time.Duration { return f.Registry.opts.Now().Sub(info.ModTime) }

// count adds to a figure of the summary.
func (f *fsck) count(figure *int, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*figure += n
}

// each lists everything below prefix.
func (r *Registry) each(ctx context.Context, prefix string, do func(drivers.Info) error) error {
	opts := drivers.ListOptions{Prefix: prefix}
	for {
		page, err := r.driver.List(ctx, opts)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, object := range page.Objects {
			if err := do(object); err != nil {
				return err
			}
		}
		if opts.After = page.Next; opts.After == "" {
			return nil
		}
	}
}

// workers run checks side by side, a bounded number of them.
func workers(ctx context.Context) (*errgroup.Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	return group, ctx
}
