package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// quietTime is how long an upload that is over by its age must not have written a checkpoint: a request that began in time may still be at it.
const quietTime = time.Hour

// PendingUpload is an upload that has left something in the store.
type PendingUpload struct {
	Repository reference.Name `json:"repository"`
	ID         string         `json:"id"`
	Started    time.Time      `json:"started"`
	Saved      time.Time      `json:"saved"`  // of its last checkpoint, by the store's clock
	Offset     int64          `json:"offset"` // bytes it had received then
	Abandoned  bool           `json:"abandoned"`
	Closed     bool           `json:"closed"` // as a blob; what is left only keeps others from going on with it
	Removed    bool           `json:"removed"`

	session drivers.Session
	keys    []string
}

// Cleaned counts what the janitor removed, or would.
type Cleaned struct {
	Uploads int   `json:"uploads"` // that were left alone, with their checkpoints, parts and tails
	Data    int   `json:"data"`    // objects that no pointer names
	Bytes   int64 `json:"bytes"`   // of these objects
	Parts   int   `json:"parts"`   // multipart uploads that only the store knew of
}

// Janitor removes what uploads leave behind when their client does not come back. It remembers which data the pointers name, so that each run but the first
// reads only the pointers that are new. Not for use by several goroutines at once; two nodes at it do no harm.
type Janitor struct {
	registry *Registry
	named    namedData
}

// NewJanitor is a janitor that remembers nothing yet.
func (r *Registry) NewJanitor() *Janitor {
	return &Janitor{registry: r, named: newNamedData()}
}

// JanitorOptions choose what a run does.
type JanitorOptions struct {
	DryRun   bool                // remove nothing
	Upload   func(PendingUpload) // called for each upload
	Progress func(stage string, done, all int)
}

// Run looks at all uploads, all data, and what was handed to a relay once. It fails with ErrClock, and removes nothing, where it could not tell old from new.
func (j *Janitor) Run(ctx context.Context, opts JanitorOptions) (Cleaned, error) {
	var done Cleaned
	if !opts.DryRun { // which may not write
		if err := j.registry.agree(ctx); err != nil {
			return done, err
		}
	}
	// What cannot be removed today must not keep the rest from being removed.
	err := j.uploads(ctx, opts, &done)
	if !isTransient(err) {
		err = errors.Join(err, j.data(ctx, opts, &done))
	}
	if !isTransient(err) {
		err = errors.Join(err, j.handed(ctx, opts))
	}
	if store, ok := drivers.As[drivers.Expirer](j.registry.driver); ok && !isTransient(err) {
		var partsErr error
		done.Parts, partsErr = store.ExpireUploads(ctx, j.registry.keys.dataPrefix(), j.registry.opts.Now().Add(-pruneAge), opts.DryRun)
		err = errors.Join(err, partsErr)
	}
	return done, err
}

// uploads ends the abandoned ones: what they stored first, then the checkpoints that name it.
func (j *Janitor) uploads(ctx context.Context, opts JanitorOptions, done *Cleaned) error {
	r := j.registry
	seen := 0
	var stuck []error
	err := r.walkUploads(ctx, r.keys.repositoriesPrefix(), opts.Upload != nil, func(up PendingUpload) error {
		seen++
		if opts.Progress != nil {
			opts.Progress("looking at uploads", seen, 0)
		}
		if up.Abandoned {
			if !up.Closed {
				done.Uploads++
			}
			if !opts.DryRun {
				err := r.end(ctx, up)
				if isTransient(err) {
					return err
				}
				if err != nil {
					stuck = append(stuck, fmt.Errorf("upload %s: %w", up.ID, err))
				}
				up.Removed = err == nil
			}
		}
		if opts.Upload != nil {
			opts.Upload(up)
		}
		return nil
	})
	return errors.Join(err, errors.Join(stuck...))
}

// end drops what an upload stored, then the checkpoints that name it.
func (r *Registry) end(ctx context.Context, up PendingUpload) error {
	if up.session.Key != "" {
		if err := r.driver.Abort(ctx, up.session); err != nil {
			return err
		}
	}
	return r.driver.Delete(ctx, up.keys...)
}

// Uploads gives every upload that has a checkpoint.
func (r *Registry) Uploads(ctx context.Context, do func(PendingUpload) error) error {
	return r.walkUploads(ctx, r.keys.repositoriesPrefix(), true, do)
}

// walkUploads goes down the folders of repositories, and into those of uploads alone. Unless all are to be read, only what is abandoned is; of the others
// do is told the times.
func (r *Registry) walkUploads(ctx context.Context, prefix string, all bool, do func(PendingUpload) error) error {
	opts := drivers.ListOptions{Prefix: prefix, Delimiter: "/"}
	for {
		page, err := r.driver.List(ctx, opts)
		if err != nil {
			return err
		}
		for _, group := range page.Groups {
			switch folder := path.Base(group); {
			case folder == "_uploads":
				err = r.uploadsOf(ctx, group, all, do)
			case !strings.HasPrefix(folder, "_"):
				err = r.walkUploads(ctx, group, all, do)
			}
			if err != nil {
				return err
			}
		}
		if opts.After = page.Next; opts.After == "" {
			return nil
		}
	}
}

// uploadsOf gives the uploads of one repository. The checkpoints of each stand together, the last one last.
func (r *Registry) uploadsOf(ctx context.Context, prefix string, all bool, do func(PendingUpload) error) error {
	var up *PendingUpload
	finish := func() error {
		if up == nil {
			return nil
		}
		now := r.opts.Now()
		up.Abandoned = now.Sub(up.Started) > r.opts.UploadTTL && now.Sub(up.Saved) > quietTime
		if !up.Abandoned && !all {
			return do(*up)
		}
		cur, err := load[checkpoint](ctx, r.driver, up.keys[len(up.keys)-1])
		if isTransient(err) {
			return err
		}
		if errors.Is(err, errNewer) {
			up.Abandoned = false // whatever it says, a node of that release knows what to do
		}
		if err == nil && cur.live() {
			up.session, up.Offset, up.Closed = cur.Value.Session, cur.Value.Session.Offset, cur.Value.Closed != ""
		}
		return do(*up)
	}
	err := r.each(ctx, prefix, func(info drivers.Info) error {
		at := r.keys.parse(info.Key)
		if at.kind != keyCheckpoint {
			return nil
		}
		if up == nil || up.ID != at.upload {
			if err := finish(); err != nil {
				return err
			}
			up = &PendingUpload{Repository: at.name, ID: at.upload, Started: startOf(at.upload, info)}
		}
		up.keys, up.Saved = append(up.keys, info.Key), info.ModTime
		return nil
	})
	if err != nil {
		return err
	}
	return finish()
}

// startOf is when an upload began: its id says so.
func startOf(id string, info drivers.Info) time.Time {
	if made, err := ulid.ParseStrict(id); err == nil {
		return made.Timestamp()
	}
	return info.ModTime
}
