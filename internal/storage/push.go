package storage

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// atOnce is how many requests to the store one push or listing has under way, at most.
const atOnce = 16

// Push is a manifest to be stored, with the tags that shall point to it.
type Push struct {
	Digest    digest.Digest // what the client says it is; empty for the sha256 of the content
	Tags      []reference.Tag
	MediaType string // as the client sent it
	Content   []byte // not to be changed afterwards: it may be remembered

	// Note makes what the journal keeps for the Outbox, of a manifest that could be read; nil for nothing.
	Note func(Pushed) []byte
}

// Pushed is what a push has come to.
type Pushed struct {
	Descriptor
	MediaType string
	Subject   digest.Digest // empty where the manifest has none
	Content   Content
}

// Content is what a manifest says of others, and of itself.
type Content struct {
	ArtifactType string
	Subject      *manifest.Descriptor
	References   []manifest.Descriptor // its blobs, then its manifests
}

// push is one under way.
type push struct {
	*Repository
	Pushed
	manifest *manifest.Manifest
	content  []byte                // its payload
	blobs    []manifest.Descriptor // those that must be here
	absent   []reference.TarSum    // layers that nobody here knows
	wrong    error                 // with the manifest: it is not stored
	tags     []reference.Tag
	before   []stored[tagRecord] // each tag as it stood when the push began
	stood    atomic.Bool         // there was a link before: others may remember what it said
	note     []byte
	id       string // of its entry in the journal
}

// PutManifest stores a manifest. The journal comes first (see there); then everything is read that it refers to, so that bad input leaves no trace but
// an entry, which is taken back; then what nobody sees is written (content, catalog leaf, marks of tags, referrer); then the link, which is the commit
// point of a push by digest; last the tags, each its own commit point. Every step can be done again.
func (r *Repository) PutManifest(ctx context.Context, in Push) (Pushed, error) {
	if err := r.registry.writable(); err != nil {
		return Pushed{}, err
	}
	p, err := r.newPush(in)
	if err != nil {
		return Pushed{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, PushTime)
	defer cancel()
	err = p.resolve(ctx)
	if p.wrong != nil {
		return Pushed{}, p.refuse(ctx)
	}
	if err != nil {
		return Pushed{}, err
	}
	p.Content.References = sized(slices.Concat(p.blobs, p.manifest.Manifests))
	if in.Note != nil {
		p.note = in.Note(p.Pushed)
	}
	entry, err := p.registry.enter(ctx, p.entry())
	if err != nil {
		return Pushed{}, err
	}
	p.id = entry.ID
	if err := p.read(ctx); err != nil {
		p.registry.abandon(ctx, entry)
		return Pushed{}, err
	}
	if err := p.store(ctx); err != nil {
		if CodeOf(err) == ManifestInvalid { // signed too often; nothing is seen of it
			p.registry.abandon(ctx, entry)
		}
		return Pushed{}, err
	}
	if err := inTime(ctx); err != nil {
		return Pushed{}, err
	}
	p.registry.committed(entry)
	return p.Pushed, nil
}

// entry is what the journal says of the push.
func (p *push) entry() Entry {
	e := Entry{Action: ActionPush, Repository: p.name, Digest: p.Digest, Tags: p.tags, Note: p.note}
	for _, ref := range p.Content.References {
		e.References = append(e.References, ref.Digest)
	}
	return e
}

// store writes all that there is to be written.
func (p *push) store(ctx context.Context) (err error) {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	want := revision{MediaType: p.MediaType, Size: p.Size, Entry: p.id}
	if err := inTime(ctx); err != nil {
		return err
	}
	var link stored[revision]
	if p.again() {
		if link, err = load[revision](ctx, p.registry.driver, p.keys.revision(p.Digest)); err != nil {
			return err
		}
	}
	if link, err = p.linkRevision(ctx, want, link); err != nil {
		return err
	}
	return p.point(ctx, want, link)
}

func (r *Repository) newPush(in Push) (*push, error) {
	m, err := r.registry.opts.Rules.Parse(in.MediaType, in.Content)
	if m == nil {
		return nil, manifestInvalid(err)
	}
	pushed := Pushed{Descriptor: Descriptor{Digest: in.Digest, Size: int64(len(m.Payload))}, MediaType: m.MediaType}
	if in.Digest == "" {
		pushed.Digest = digest.FromBytes(m.Payload)
	}
	pushed.Content = Content{ArtifactType: m.ArtifactType, Subject: m.Subject}
	if m.Subject != nil {
		pushed.Subject = m.Subject.Digest
	}
	p := &push{Repository: r, Pushed: pushed, manifest: m, content: m.Payload, blobs: slices.Clip(m.Blobs), tags: in.Tags, before: make([]stored[tagRecord], len(in.Tags))}
	p.wrong = p.judge(in.Digest, err)
	return p, nil
}

// read asks for everything that the manifest refers to, and how the tags stand.
func (p *push) read(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	group.Go(func() error { return p.checkReferences(ctx) })
	for i, tag := range p.tags {
		group.Go(func() (err error) {
			p.before[i], err = p.loadTag(ctx, tag)
			return err
		})
	}
	return group.Wait()
}

// prepare writes what is not seen before the link is.
func (p *push) prepare(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	group.Go(func() error { return p.enroll(ctx) })
	if p.manifest.Schema1 != nil {
		group.Go(func() error { return p.prepareSigned(ctx) })
		return group.Wait()
	}
	group.Go(func() error { _, err := p.keep(ctx); return err })
	if p.Subject != "" {
		group.Go(func() error { return p.refer(ctx) })
	}
	for _, tag := range p.tags {
		group.Go(func() error {
			_, err := p.registry.driver.Put(ctx, p.keys.mark(p.Digest, tag), bytes.NewReader(leafContent), drivers.Cond{})
			return err
		})
	}
	return group.Wait()
}

// again says that a tag points to this manifest already: then it is likely to be here, and looking costs less than trying to create it.
func (p *push) again() bool {
	return slices.ContainsFunc(p.before, func(tag stored[tagRecord]) bool { return tag.live() && tag.Value.Digest == p.Digest })
}

// keep makes sure of the content. first says that the registry did not have it before.
func (p *push) keep(ctx context.Context) (first bool, err error) {
	if p.again() {
		at, err := p.hold(ctx, p.Digest)
		whole := false
		if err == nil && at.pointer != nil {
			whole, err = p.registry.holds(ctx, p.Digest, at.pointer, p.Size) // else it is pushed again because its bytes were lost
		}
		if err != nil || whole {
			return false, err
		}
	}
	return p.registry.keep(ctx, p.Digest, p.content)
}

// keep stores content under its digest: inline, or as data when it is too long for that. first says that it was not there before.
func (r *Registry) keep(ctx context.Context, d digest.Digest, content []byte) (first bool, err error) {
	mine := pointer{Size: int64(len(content)), Inline: content}
	if len(content) > inlineLimit {
		mine.Inline, mine.Data = nil, r.newID()
		if _, err := r.driver.Put(ctx, r.keys.data(mine.Data), bytes.NewReader(content), drivers.Cond{}); err != nil {
			return false, err
		}
	}
	now, first, err := r.lead(ctx, d, mine)
	if err == nil {
		r.dropSurplus(ctx, mine, now)
		r.cache.learnContent(d, content)
	}
	return first, err
}

// mostMissing is about how many missing blobs and children are looked for: an index may name tens of thousands, and a client that pushed none of them need
// not hear of each.
const mostMissing = 100

var errEnough = errors.New("enough is missing")

// checkReferences fails with one error for each blob and child that this repository lacks.
func (p *push) checkReferences(ctx context.Context) error {
	var mu sync.Mutex
	missing := map[digest.Digest]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	check := func(d digest.Digest, has func(context.Context, digest.Digest) error) {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil // another one has failed
			}
			err := has(ctx, d)
			if code := CodeOf(err); err != nil && (code == BlobUnknown || code == ManifestUnknown) {
				mu.Lock()
				defer mu.Unlock()
				missing[d] = true
				if len(missing) >= mostMissing {
					return errEnough
				}
				return nil
			}
			return err
		})
	}
	for _, blob := range p.blobs {
		check(blob.Digest, p.hasBlob)
	}
	for _, child := range p.registry.opts.IndexRule.required(p.manifest.Manifests) {
		check(child.Digest, p.hasChild(child.MediaType))
	}
	if err := group.Wait(); err != nil && !errors.Is(err, errEnough) {
		return err
	}

	var all []error
	for _, list := range [][]manifest.Descriptor{p.blobs, p.manifest.Manifests} {
		for _, ref := range list {
			if missing[ref.Digest] {
				delete(missing, ref.Digest)
				all = append(all, fail(ManifestBlobUnknown, "the manifest refers to content that this repository lacks, push that first",
					map[string]string{"digest": ref.Digest.String()}))
			}
		}
	}
	for _, sum := range p.absent {
		all = append(all, absentTarSum(sum))
	}
	return errors.Join(all...)
}

func (p *push) hasBlob(ctx context.Context, d digest.Digest) error {
	_, err := p.StatBlob(ctx, d)
	return err
}

// hasChild looks for a child of an index where its media type says it is: some builders keep blobs in an index.
func (p *push) hasChild(mediaType string) func(context.Context, digest.Digest) error {
	return func(ctx context.Context, d digest.Digest) error {
		link, err := p.hasManifest(ctx, d)
		if err != nil || link != nil {
			return err
		}
		if !manifest.Known(mediaType) {
			return p.hasBlob(ctx, d)
		}
		return manifestUnknown(reference.Reference{Digest: d})
	}
}
