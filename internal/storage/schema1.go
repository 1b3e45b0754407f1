package storage

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// # Docker schema 1
//
// Of a manifest of Docker schema 1, the payload alone is a manifest like any other: it is hashed, stored and linked without its signatures. These stand
// beside the link, each under its own digest (signatures.go), written before the link is, or before the push that brings it is over. So any number of hosts
// can sign one payload at once, through any nodes: nobody reads what another has written, and nothing is swapped.
//
// What is wrong with one is told at once: the signatures, the name and the tag that it gives itself, and the layers that are missing. Such a push writes
// nothing, an entry in the journal neither.

// schema1Layer is what package manifest calls the layers of schema 1, which do not say what they are.
const schema1Layer = "application/vnd.docker.container.image.rootfs.diff+x-gtar"

// problemCodes are the kinds of failure that the problems of a manifest are.
var problemCodes = map[manifest.Code]Code{
	manifest.CodeInvalid: ManifestInvalid, manifest.CodeUnverified: ManifestUnverified, manifest.CodeName: NameInvalid, manifest.CodeTag: TagInvalid,
}

// manifestInvalid gives each problem of a manifest its code.
func manifestInvalid(err error) error {
	var all []error
	for _, problem := range manifest.Problems(err) {
		all = append(all, &Error{Code: problemCodes[problem.Code], Message: problem.Reason, Err: problem})
	}
	switch len(all) {
	case 0:
		return err
	case 1:
		return all[0]
	}
	return errors.Join(all...)
}

// judge says what is wrong with a manifest, as far as it and the request tell. parsed is what was found when it was read.
func (p *push) judge(given digest.Digest, parsed error) error {
	all := []error{manifestInvalid(parsed)}
	if parsed == nil && given != "" {
		if got := given.Algorithm().FromBytes(p.content); got != given {
			all = append(all, digestMismatch(given, got))
		}
	}
	if p.manifest.Schema1 == nil {
		return errors.Join(all...)
	}
	if trusted := p.registry.opts.Trusted; parsed == nil && trusted != nil && !trusted.Trusted(p.manifest.Schema1.Signatures) {
		all = append(all, fail(ManifestUnverified, "nobody has signed the manifest whose key this registry trusts: have it signed by one of those, or ask the "+
			"registry's operator to add a key to compatibility.schema1.trustedkeys", nil))
	}
	for i, tag := range p.tags {
		err := manifest.CheckFor(p.manifest, p.name, tag)
		for _, problem := range manifest.Problems(err) {
			if i == 0 || problem.Code != manifest.CodeName { // the name is the same for all tags
				all = append(all, manifestInvalid(problem))
			}
		}
	}
	if len(p.tags) == 0 {
		all = append(all, manifestInvalid(manifest.CheckFor(p.manifest, p.name, "")))
	}
	return errors.Join(all...)
}

// refuse adds what is missing to what is wrong. Where the store does not tell, what is wrong is enough.
func (p *push) refuse(ctx context.Context) error {
	missing := p.checkReferences(ctx)
	if len(Errors(missing)) == 0 {
		return p.wrong
	}
	return errors.Join(p.wrong, missing)
}

// resolve finds the layers that the manifest calls by TarSums.
func (p *push) resolve(ctx context.Context) error {
	if p.manifest.Schema1 == nil {
		return nil
	}
	for _, sum := range p.manifest.Schema1.TarSums {
		d, err := p.alias(ctx, sum)
		switch {
		case err != nil:
			return err
		case d == "":
			p.absent = append(p.absent, sum)
		case !slices.ContainsFunc(p.blobs, func(known manifest.Descriptor) bool { return known.Digest == d }):
			p.blobs = append(p.blobs, manifest.Descriptor{MediaType: schema1Layer, Digest: d, Size: manifest.UnknownSize})
		}
	}
	return nil
}

// sized are descriptors as others are told of them: where the manifest gives no size, they have none.
func sized(list []manifest.Descriptor) []manifest.Descriptor {
	list = slices.Clone(list)
	for i := range list {
		list[i].Size = max(list[i].Size, 0)
	}
	return list
}

// prepareSigned writes what is not seen of a signed manifest before its link is: the content, then the signatures and the marks that are not there yet.
// Content that was not there before cannot have been signed here; so a first push costs one request for each signature, and any other one
// a listing besides, which the marks that it finds make up for. The signatures of a manifest that was deleted are for sign to write, which knows its life.
func (p *push) prepareSigned(ctx context.Context) error {
	fresh, err := p.keep(ctx)
	if err != nil {
		return err
	}
	there := surroundings{}
	if !fresh {
		if there, err = p.surroundings(ctx, p.keys.revisionPrefix(p.Digest)); err != nil {
			return err
		}
	}
	missing, err := p.toSign(ctx, there)
	if err != nil {
		return err
	}
	group, work := workers(ctx)
	for _, s := range missing {
		group.Go(func() error { return p.registry.putSignature(work, p.keys.signature(p.Digest, s.Digest, ""), s.JSON) })
	}
	for _, tag := range p.tags {
		if !slices.Contains(there.marks, tag) {
			group.Go(func() error {
				_, err := p.registry.driver.Put(work, p.keys.mark(p.Digest, tag), bytes.NewReader(leafContent), drivers.Cond{})
				return err
			})
		}
	}
	return group.Wait()
}

// toSign are the signatures that the first life of the manifest lacks, if it is in that. It fails where there would be too many of them. What a link that was
// buried is made anew with begins with none.
func (p *push) toSign(ctx context.Context, there surroundings) ([]manifest.Signature, error) {
	signing := ""
	switch {
	case there.buried:
		return nil, nil
	case there.later():
		link, err := load[revision](ctx, p.registry.driver, p.keys.revision(p.Digest))
		if err != nil || link.etag != "" && !link.live() {
			return nil, err
		}
		if link.live() {
			signing = link.Value.Signing
		}
	}
	kept := there.of(signing)
	missing, added := missing(kept, p.manifest.Schema1.Signatures)
	if limit := p.registry.signers(); added > 0 && len(kept)+added > limit {
		return nil, fail(ManifestInvalid, "the manifest has been signed as often as is kept here: delete it by its digest and push it again, which begins without the signatures that it "+
			"has; or push the image under another tag, or as Docker schema 2 or OCI; or ask the registry's operator to raise compatibility.schema1.signers",
			map[string]int{"limit": limit, "signatures": len(kept)})
	}
	if signing != "" {
		return nil, nil
	}
	return missing, nil
}

// sign writes the signatures of a manifest for a later life than its first, before the link is made anew for that life, or else after it was seen to be live in
// it: they are not lost to a push that made the link anew meanwhile. The limit was looked at before.
func (p *push) sign(ctx context.Context, live bool, signing string) error {
	if p.manifest.Schema1 == nil || signing == "" {
		return nil
	}
	list := p.manifest.Schema1.Signatures
	if live {
		there, err := p.surroundings(ctx, p.keys.signaturesPrefix(p.Digest))
		if err != nil {
			return err
		}
		list, _ = missing(there.of(signing), list)
	}
	group, work := workers(ctx)
	for _, s := range list {
		group.Go(func() error {
			return p.registry.putSignature(work, p.keys.signature(p.Digest, s.Digest, signing), s.JSON)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return inTime(ctx) // a link that is made anew after a day would find that fsck has removed them
}

// putSignature writes a signature, unless it stands there. What stands under its digest is the same one, unless it is empty: that one is damaged, and not
// listed.
func (r *Registry) putSignature(ctx context.Context, key string, content []byte) error {
	_, err := r.driver.Put(ctx, key, bytes.NewReader(content), drivers.Cond{IfAbsent: true})
	if !errors.Is(err, drivers.ErrPrecondition) {
		return err
	}
	if info, err := r.driver.Stat(ctx, key); err != nil || info.Size > 0 {
		return err
	}
	_, err = r.driver.Put(ctx, key, bytes.NewReader(content), drivers.Cond{})
	return err
}

// signers is how many signatures of one payload are kept. Pushes that meet can go beyond it.
func (r *Registry) signers() int {
	if r.opts.Rules.Signers > 0 {
		return r.opts.Rules.Signers
	}
	return manifest.DefaultSigners
}

// absentTarSum says that no layer is known by a TarSum.
func absentTarSum(sum reference.TarSum) error {
	return fail(ManifestBlobUnknown, "the manifest refers to content that this repository lacks, push that first", map[string]string{"digest": sum.String()})
}
