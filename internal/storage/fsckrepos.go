package storage

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// checkRepositories goes through the repositories. The keys of one stand together in the listing.
func (f *fsck) checkRepositories(ctx context.Context) error {
	f.begin("checking repositories", 0)
	f.enrolled = map[string]bool{}
	var repo *fsckRepo
	err := f.each(ctx, f.keys.repositoriesPrefix(), func(info drivers.Info) error {
		at := f.keys.parse(info.Key)
		if at.kind == keyUnknown {
			f.found(Note, info.Key, "this key is not one of registryd's")
			return nil
		}
		if repo == nil || repo.name != at.name {
			if err := f.checkRepository(ctx, repo); err != nil {
				return err
			}
			repo = &fsckRepo{fsck: f, Repository: f.Repository(at.name).anew()}
		}
		repo.add(fsckEntry{at: at, info: info})
		return nil
	})
	if err != nil {
		return err
	}
	return f.checkRepository(ctx, repo)
}

// fsckRepo is one repository with all that stands in it.
type fsckRepo struct {
	*fsck
	*Repository
	entries []fsckEntry
}

type fsckEntry struct {
	at     repoKey
	info   drivers.Info
	before []string // keys of the upload's earlier checkpoints
}

// add puts the checkpoints of an upload, which stand together, into one entry.
func (r *fsckRepo) add(e fsckEntry) {
	if n := len(r.entries); n > 0 && e.at.kind == keyCheckpoint {
		if last := r.entries[n-1]; last.at.kind == keyCheckpoint && last.at.upload == e.at.upload {
			e.before = append(last.before, last.info.Key)
			r.entries = r.entries[:n-1]
		}
	}
	r.entries = append(r.entries, e)
}

func (f *fsck) checkRepository(ctx context.Context, repo *fsckRepo) error {
	if repo == nil {
		return nil
	}
	f.count(&f.summary.Repositories, 1)
	group, ctx := workers(ctx)
	for _, entry := range repo.entries {
		group.Go(func() error {
			f.step()
			return repo.check(ctx, entry)
		})
	}
	return group.Wait()
}

func (r *fsckRepo) check(ctx context.Context, e fsckEntry) error {
	switch e.at.kind {
	case keyOldTag:
		return r.checkOldTag(ctx, e)
	case keyOldOther:
		r.keep(e.info)
		return nil
	case keyOldUpload:
		return r.checkOldUpload(ctx, e)
	}
	if e.info.Size == 0 && e.at.kind != keySignature { // a tombstone
		return nil
	}
	switch e.at.kind {
	case keyLayer:
		_, err := r.record(e, func() (bool, error) { l, err := load[layerLink](ctx, r.driver, e.info.Key); return l.live(), err })
		if err != nil {
			return err
		}
		return r.needsBlob(ctx, e)
	case keyRevision:
		return r.checkRevision(ctx, e)
	case keyTag:
		return r.checkTag(ctx, e)
	case keyReferrer:
		return r.checkReferrer(ctx, e)
	case keySignature:
		return r.checkSignature(ctx, e)
	case keyOldSignature:
		r.claims(e.at.digest)
		return nil
	case keyTarSum:
		_, err := r.record(e, func() (bool, error) { d, err := r.alias(ctx, e.at.tarSum); return d != "", err })
		return err
	case keyCheckpoint:
		return r.checkUpload(ctx, e)
	}
	return nil
}

// record runs a load and reports a record that cannot be read. live says whether there is one to look at.
func (r *fsckRepo) record(e fsckEntry, load func() (bool, error)) (live bool, err error) {
	live, err = load()
	if err != nil && !isTransient(err) {
		r.found(Damage, e.info.Key, "%v", err)
		return false, nil
	}
	return live && err == nil, err
}

// claims says that somebody has use of a blob, and whether it was listed.
func (f *fsck) claims(d digest.Digest) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	blob := f.blobs[d]
	if blob != nil {
		blob.linked = true
	}
	return blob != nil
}

// needsBlob reports when what e links to has no bytes.
func (r *fsckRepo) needsBlob(ctx context.Context, e fsckEntry) error {
	if r.claims(e.at.digest) {
		lost, err := r.bytesLost(ctx, e.at.digest)
		if lost {
			r.found(Damage, e.info.Key, "the bytes of %s are missing or wrong", e.at.digest)
		}
		return err
	}
	p, err := r.registry.loadPointer(ctx, e.at.digest) // it may have come after the pointers were listed
	if err != nil {
		return ignoreDamage(err)
	}
	if !p.Value.there() {
		r.found(Damage, e.info.Key, "there is no blob %s", e.at.digest)
	}
	return nil
}

func (r *fsckRepo) checkRevision(ctx context.Context, e fsckEntry) error {
	var link stored[revision]
	live, err := r.record(e, func() (_ bool, err error) {
		link, err = load[revision](ctx, r.driver, e.info.Key)
		return link.live(), err
	})
	if err != nil || !live {
		return err
	}
	bare := link.Value.MediaType == ""
	unlisted := bare && r.looks(ctx, stageCatalog) // until the catalog is brought over
	r.mu.Lock()
	r.summary.Manifests++
	r.enrolled[string(r.name)] = r.enrolled[string(r.name)] || !unlisted
	r.mu.Unlock()
	if err := r.needsBlob(ctx, e); err != nil {
		return err
	}
	content, err := r.payload(ctx, reference.Reference{Digest: e.at.digest})
	if isTransient(err) {
		return err
	}
	if err != nil {
		return nil // missing content was reported, and a deletion is none of our business
	}
	m, err := manifest.ParseStored(content.MediaType, content.Content)
	if err != nil && bare {
		r.found(Note, e.info.Key, "CNCF Distribution took this manifest, and it is served as it is, but it could not be pushed again: %v", err)
		return nil
	}
	if err != nil {
		r.found(Damage, e.info.Key, "%v", err)
		return nil
	}
	for _, blob := range m.Blobs {
		lost, err := r.bytesLost(ctx, blob.Digest)
		if err != nil {
			return err
		}
		if lost {
			r.found(Damage, e.info.Key, "the bytes of its blob %s are missing or wrong, push this image again", blob.Digest)
			continue
		}
		if err := r.needsLink(ctx, e, blob.Digest, r.Repository.keys.layer(blob.Digest)); err != nil {
			return err
		}
	}
	if m.Schema1 != nil {
		if err := r.checkSigned(ctx, e, m.Schema1, link.Value); err != nil {
			return err
		}
	}
	for _, child := range m.Manifests {
		if err := r.wantsChild(ctx, e, child.Digest); err != nil {
			return err
		}
	}
	return nil
}

// needsLink reports a layer that a manifest refers to and its repository never had. One that was deleted was asked for.
func (r *fsckRepo) needsLink(ctx context.Context, e fsckEntry, d digest.Digest, key string) error {
	link, err := load[layerLink](ctx, r.driver, key)
	switch {
	case err != nil:
		return ignoreDamage(err) // reported where it stands
	case link.live():
	case link.etag != "":
		r.found(Note, e.info.Key, "its blob %s was deleted from the repository", d)
	default:
		r.found(Damage, e.info.Key, "its blob %s is not in the repository", d)
	}
	return nil
}

// wantsChild notes a child that is not there, which a sparse index may lack.
func (r *fsckRepo) wantsChild(ctx context.Context, e fsckEntry, d digest.Digest) error {
	child, err := load[revision](ctx, r.driver, r.Repository.keys.revision(d))
	if err != nil || child.live() {
		return ignoreDamage(err)
	}
	layer, err := load[layerLink](ctx, r.driver, r.Repository.keys.layer(d))
	if err == nil && !layer.live() {
		r.found(Note, e.info.Key, "its child %s is not in the repository", d)
	}
	return ignoreDamage(err)
}

// checkTag looks again when the tag was moved in between.
func (r *fsckRepo) checkTag(ctx context.Context, e fsckEntry) error {
	r.count(&r.summary.Tags, 1)
	for before := ""; ; {
		var tag stored[tagRecord]
		live, err := r.record(e, func() (_ bool, err error) {
			tag, err = load[tagRecord](ctx, r.driver, e.info.Key)
			return tag.live(), err
		})
		if err != nil || !live {
			return err
		}
		link, err := load[revision](ctx, r.driver, r.Repository.keys.revision(tag.Value.Digest))
		if err != nil || link.live() {
			return ignoreDamage(err)
		}
		if tag.etag != before {
			before = tag.etag
			continue
		}
		if link.etag == "" {
			r.found(Damage, e.info.Key, "it points to %s, which is not in the repository", tag.Value.Digest)
			return nil
		}
		finding := Finding{Severity: Leftover, Key: e.info.Key, Message: "it points to " + tag.Value.Digest.String() +
			", whose deletion was cut off half-way, delete that once more or prune"}
		if r.fsck.opts.Prune {
			if finding.Pruned, err = r.untag(ctx, tag.Value.Digest); err != nil {
				return err
			}
		}
		r.report(finding)
		return nil
	}
}

func (r *fsckRepo) checkReferrer(ctx context.Context, e fsckEntry) error {
	live, err := r.record(e, func() (bool, error) { l, err := load[referrer](ctx, r.driver, e.info.Key); return l.live(), err })
	if err != nil || !live {
		return err
	}
	link, err := load[revision](ctx, r.driver, r.Repository.keys.revision(e.at.digest))
	if err == nil && !link.live() {
		r.report(Finding{Severity: Note, Key: e.info.Key, Age: r.age(e.info), Size: e.info.Size, Message: "its manifest was deleted"})
	}
	return ignoreDamage(err)
}

// checkUpload counts an upload under way, and ends one that was left alone. One that was closed is neither: its checkpoints stay on purpose.
func (r *fsckRepo) checkUpload(ctx context.Context, e fsckEntry) error {
	cur, err := load[checkpoint](ctx, r.driver, e.info.Key)
	if isTransient(err) {
		return err
	}
	if errors.Is(err, errNewer) {
		r.found(Note, e.info.Key, "%v", err)
		return nil
	}
	up := PendingUpload{keys: append(e.before, e.info.Key)}
	if err == nil && cur.live() {
		up.session, up.Closed = cur.Value.Session, cur.Value.Closed != ""
	}
	finding := Finding{Severity: Leftover, Key: e.info.Key, Age: r.age(e.info), Message: "an upload was left alone"}
	if up.Closed {
		finding.Severity, finding.Message = Note, "an upload was closed"
	} else {
		r.count(&r.summary.Uploads, 1)
	}
	if finding.Age <= pruneAge || up.Closed && !r.fsck.opts.Prune {
		return nil
	}
	if r.fsck.opts.Prune {
		if err := r.Registry.end(ctx, up); err != nil {
			return err
		}
		finding.Pruned = true
	}
	r.report(finding)
	return nil
}

// checkCatalog compares the catalog with the repositories.
func (f *fsck) checkCatalog(ctx context.Context) error {
	err := f.each(ctx, f.keys.catalogPrefix(), func(info drivers.Info) error {
		leaf := decodeName(info.Key[len(f.keys.catalogPrefix()):])
		if _, err := reference.ParseName(leaf); err != nil {
			f.found(Note, info.Key, "this key is not one of registryd's")
		}
		delete(f.enrolled, leaf)
		return nil
	})
	for name, must := range f.enrolled {
		if !must {
			continue
		}
		f.found(Damage, f.keys.catalog(reference.Name(name)), "the repository is missing in the catalog, push to it once more")
	}
	return err
}
