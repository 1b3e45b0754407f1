package storage

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// Late is what CNCF Distribution wrote after its store was brought over. It is not served, or not as Distribution would.
type Late struct {
	Tags      []string // as clients name them, in order: name:tag
	Manifests []string // likewise, with those of the tags: name@digest
	Blobs     int      // whose bytes nobody finds, those of the manifests among them
}

// Any says whether there is anything.
func (l Late) Any() bool { return len(l.Tags)+len(l.Manifests)+l.Blobs > 0 }

// Late looks for what CNCF Distribution wrote after its store was brought over. Before that is done, there is nothing of the kind. It writes nothing, may run
// beside nodes that serve, and costs two requests for each tag and about three for each manifest of Distribution's, and one for each blob that it finds. progress
// is like that of ImportOptions.
//
// It goes by content, so that a bucket that was copied, with other times, looks the same; but for a tag that points elsewhere in both places. There the one
// that was written last counts, by the store's clock, as if both had gone through registryd. What Distribution deleted leaves no trace.
func (r *Registry) Late(ctx context.Context, progress func(stage string, done, all int)) (Late, error) {
	what, err := r.survey(ctx, false)
	if err != nil || what.Stage > stageDone {
		return Late{}, err
	}
	l := &late{Registry: r, progress: progress}
	for after, more := "", true; more; {
		var names []string
		if names, more, err = r.oldRepositories(ctx, after, namesPerStep); err != nil {
			return Late{}, err
		}
		for _, name := range names {
			after = name
			if err := l.repository(ctx, r.Repository(reference.Name(name)).anew()); err != nil {
				return Late{}, err
			}
		}
	}
	if err := l.bytes(ctx); err != nil {
		return Late{}, err
	}
	slices.Sort(l.found.Tags)
	slices.Sort(l.found.Manifests)
	return l.found, nil
}

// late is such a look under way.
type late struct {
	*Registry
	progress func(stage string, done, all int)

	mu    sync.Mutex // guards what follows, and the callback
	found Late
	steps int
}

// met counts one thing that was looked at. If it is late, note puts it down.
func (l *late) met(late bool, note func(*Late)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if late {
		note(&l.found)
	}
	l.steps++
	if l.progress != nil {
		l.progress("looking for what CNCF Distribution wrote since", l.steps, 0)
	}
}

func (l *late) repository(ctx context.Context, r *Repository) error {
	_, err := l.driver.Stat(ctx, l.keys.catalog(r.name))
	unlisted := errors.Is(err, drivers.ErrNotFound)
	if err != nil && !unlisted {
		return err
	}
	tags, err := r.oldTags(ctx)
	if err != nil {
		return err
	}
	group, work := workers(ctx)
	for _, tag := range tags {
		group.Go(func() error {
			late, err := r.lateTag(work, reference.Tag(tag))
			l.met(late, func(found *Late) { found.Tags = append(found.Tags, string(r.name)+":"+tag) })
			return err
		})
	}
	err = l.each(ctx, r.keys.prefix+"_manifests/revisions/", func(info drivers.Info) error {
		at := l.keys.parse(info.Key)
		if at.kind != keyRevision || info.Size == 0 {
			return nil
		}
		group.Go(func() error {
			late, err := r.lateManifest(work, at.digest)
			l.met(late || unlisted, func(found *Late) { found.Manifests = append(found.Manifests, string(r.name)+"@"+at.digest.String()) })
			return err
		})
		return nil
	})
	if waitErr := group.Wait(); err == nil {
		err = waitErr
	}
	return err
}

// bytes looks for blobs without a pointer, which stands right behind the bytes: the pass left none.
func (l *late) bytes(ctx context.Context) error {
	var last digest.Digest
	check := func() error {
		if last == "" {
			return nil
		}
		_, err := l.driver.Stat(ctx, l.keys.pointer(last)) // it may have come since they were listed
		late := errors.Is(err, drivers.ErrNotFound)
		l.met(late, func(found *Late) { found.Blobs++ })
		if late {
			return nil
		}
		return err
	}
	err := l.each(ctx, l.keys.blobsPrefix(), func(info drivers.Info) error {
		if last != "" && info.Key == l.keys.pointer(last) {
			l.met(false, nil)
			last = ""
			return nil
		}
		if err := check(); err != nil {
			return err
		}
		last, _ = l.keys.parseGeneration0(info.Key)
		return nil
	})
	if err != nil {
		return err
	}
	return check()
}

// lateTag says whether CNCF Distribution set the tag after registryd did, to something that it can serve. Both times are the store's, and whole seconds in most.
// Within one, a push to registryd or a deletion came last, for nobody changes over that fast; a tag that was only brought over did not.
func (r *Repository) lateTag(ctx context.Context, tag reference.Tag) (bool, error) {
	content, info, err := readAll(ctx, r.registry.driver, r.keys.oldTag(tag), maxBare)
	if errors.Is(err, drivers.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d, ok := parseBare(content)
	if !ok {
		return false, nil
	}
	ours, err := load[tagRecord](ctx, r.registry.driver, r.keys.tag(tag))
	if err != nil || ours.live() && ours.Value.Digest == d {
		return false, err
	}
	brought := ours.live() && ours.Value.Link == "" && ours.Value.Entry == "" && len(ours.Value.History) == 0
	if ours.etag != "" && (info.ModTime.Before(ours.since) || info.ModTime.Equal(ours.since) && !brought) {
		return false, nil
	}
	link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
	if err != nil || !link.live() {
		return false, err
	}
	p, err := r.registry.loadPointer(ctx, d)
	if err != nil || p.etag != "" {
		return p.Value.there(), err
	}
	old, err := r.registry.generation0(ctx, d)
	return old.live(), err
}

// lateManifest says whether CNCF Distribution has a manifest that registryd does not find, neither itself nor from its subject.
func (r *Repository) lateManifest(ctx context.Context, d digest.Digest) (bool, error) {
	link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
	if err != nil || !link.live() || link.Value.MediaType != "" {
		return false, err
	}
	p, err := r.registry.loadPointer(ctx, d)
	if err != nil {
		return false, err
	}
	if p.etag == "" {
		old, err := r.registry.generation0(ctx, d)
		return old.live(), err // or its bytes are missing, as they were before
	}
	if !p.Value.there() {
		return false, nil
	}
	found, err := r.manifest(ctx, reference.Reference{Digest: d}, d, "", place{pointer: p.Value})
	if err != nil {
		return false, err
	}
	m, err := manifest.Parse(found.MediaType, found.Content)
	if err != nil || m.Subject == nil {
		return false, nil
	}
	_, err = r.registry.driver.Stat(ctx, r.keys.referrer(m.Subject.Digest, d))
	if errors.Is(err, drivers.ErrNotFound) {
		return true, nil
	}
	return false, err
}
