package storage

import (
	"context"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// kept counts what CNCF Distribution wrote and registryd does not read any more.
type kept struct {
	objects int
	bytes   int64
}

// namesOld stands for bytes that CNCF Distribution wrote where the id of data is asked for. No id is like it.
const namesOld = "distribution"

// wroteLate is said of what CNCF Distribution wrote when its store had been brought over already.
const wroteLate = "wrote this after its store was brought over, and it is not served; registryd storage import-distribution says more"

// whose finds out what has to be looked for in the old places.
func (f *fsck) whose(ctx context.Context) error {
	what, err := f.survey(ctx, false)
	f.origin = what.Origin
	return err
}

// pointerless are the bytes of CNCF Distribution's that have no pointer yet, which is right while some are left to bring over.
func (f *fsck) pointerless(ctx context.Context, pointers []drivers.Info) (blobs []drivers.Info) {
	if !f.looks(ctx, stageBlobs) {
		return nil
	}
	has := make(map[digest.Digest]bool, len(pointers))
	for _, info := range pointers {
		if d, ok := f.keys.parsePointer(info.Key); ok {
			has[d] = true
		}
	}
	for d, info := range f.old {
		if !has[d] {
			blobs = append(blobs, info)
		}
	}
	return blobs
}

func (f *fsck) keep(info drivers.Info) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept.objects++
	f.kept.bytes += info.Size
}

// checkOldTag counts a tag that was not brought over yet.
func (r *fsckRepo) checkOldTag(ctx context.Context, e fsckEntry) error {
	if !r.looks(ctx, stageRepositories) {
		late, err := r.lateTag(ctx, e.at.tag)
		if late {
			r.found(Damage, e.info.Key, "CNCF Distribution "+wroteLate)
		} else {
			r.keep(e.info)
		}
		return ignoreDamage(err) // reported where it stands
	}
	ours, err := load[tagRecord](ctx, r.driver, r.Repository.keys.tag(e.at.tag))
	if err != nil || ours.etag != "" {
		return ignoreDamage(err) // reported where it stands
	}
	r.count(&r.summary.Tags, 1)
	tag, err := r.oldTag(ctx, e.at.tag)
	if err == nil && !tag.live() {
		r.found(Note, e.info.Key, "it points to a manifest that is not in the repository, as it did with CNCF Distribution, and will not be brought over")
	}
	return ignoreDamage(err)
}

// checkOldUpload removes what is left of an upload that nobody can go on with.
func (r *fsckRepo) checkOldUpload(ctx context.Context, e fsckEntry) error {
	finding := Finding{Severity: Note, Key: e.info.Key, Size: e.info.Size, Age: r.age(e.info), Message: "of an upload to CNCF Distribution, which cannot be gone on with here"}
	if finding.Age > pruneAge {
		finding.Severity = Leftover
		if r.fsck.opts.Prune {
			if err := r.driver.Delete(ctx, e.info.Key); err != nil {
				return err
			}
			finding.Pruned = true
		}
	}
	r.report(finding)
	return nil
}

// oldLeftovers deals with what CNCF Distribution wrote and nobody reads.
func (f *fsck) oldLeftovers(ctx context.Context) error {
	for d, info := range f.old {
		p, err := f.loadPointer(ctx, d)
		if err != nil {
			if isTransient(err) {
				return err
			}
			continue // reported where it stands
		}
		if p.live() {
			f.keep(info) // the pointer names other bytes, pushed or inline
			continue
		}
		if p.etag == "" { // the pass left no bytes without a pointer, and no pointer is ever removed
			f.found(Damage, info.Key, "CNCF Distribution "+wroteLate)
			continue
		}
		finding := Finding{Severity: Leftover, Key: info.Key, Size: info.Size, Age: f.age(info), Message: "no pointer names these bytes, which CNCF Distribution wrote"}
		if f.opts.Prune && !f.blind && finding.Age > pruneAge {
			if err := f.driver.Delete(ctx, info.Key); err != nil {
				return err
			}
			finding.Pruned = true
		}
		f.report(finding)
	}
	if f.kept.objects > 0 {
		f.report(Finding{Severity: Note, Key: path.Dir(f.keys.repositoriesPrefix()), Size: f.kept.bytes, Message: "registryd no longer reads some of what CNCF Distribution wrote " +
			"(tags, and copies of manifests); it is kept, so that you could go back"})
	}
	if store, ok := drivers.As[drivers.Expirer](f.driver); ok && f.opts.Prune && f.origin == originDistribution {
		// Its uploads are at keys below _uploads/, ours never are.
		_, err := store.ExpireUploads(ctx, f.keys.repositoriesPrefix(), f.Registry.opts.Now().Add(-pruneAge), false)
		return err
	}
	return nil
}
