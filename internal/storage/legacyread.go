package storage

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// maxBare bounds what is read as a bare digest, in bytes.
const maxBare = 1 << 10

// bareLink is a record that may stand as CNCF Distribution wrote it: as a bare digest.
type bareLink interface{ setBare(digest.Digest) }

// parseBare is the digest that is all of content.
func parseBare(content []byte) (digest.Digest, bool) {
	d, err := reference.ParseDigest(strings.TrimSpace(string(content)))
	return d, err == nil
}

// generation0 describes the bytes of a blob without a pointer, as if it had one; nothing where there are none.
func (r *Registry) generation0(ctx context.Context, d digest.Digest) (stored[pointer], error) {
	info, err := r.driver.Stat(ctx, r.keys.generation0(d))
	if errors.Is(err, drivers.ErrNotFound) {
		return stored[pointer]{}, nil
	}
	if err != nil {
		return stored[pointer]{}, err
	}
	return stored[pointer]{Value: &pointer{State: stateLive, Size: info.Size, Distribution: true}}, nil
}

// loadTag reads a tag. One that is only in the old place comes as a record that has yet to be created, with a condition to that effect.
func (r *Repository) loadTag(ctx context.Context, tag reference.Tag) (stored[tagRecord], error) {
	old := r.registry.looks(ctx, stageRepositories)
	cur, err := load[tagRecord](ctx, r.registry.driver, r.keys.tag(tag))
	if err != nil || cur.etag != "" || !old {
		return cur, err
	}
	return r.oldTag(ctx, tag)
}

// oldTag reads a tag in the old place. One whose manifest is not there is none.
func (r *Repository) oldTag(ctx context.Context, tag reference.Tag) (stored[tagRecord], error) {
	none := stored[tagRecord]{}
	content, info, err := readAll(ctx, r.registry.driver, r.keys.oldTag(tag), maxBare)
	if errors.Is(err, drivers.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	d, ok := parseBare(content)
	if !ok {
		return none, nil
	}
	m, err := r.anew().manifestByDigest(ctx, d)
	if CodeOf(err) == ManifestUnknown {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	return stored[tagRecord]{Value: &tagRecord{Digest: d, MediaType: m.MediaType, Size: m.Size, Time: info.ModTime.UTC()}}, nil
}

// oldTags are the tags in the old place, in byte order. Their folders are listed in another one (`1.2-alpine/` before `1.2/`), so that it takes all of
// them to know the first.
func (r *Repository) oldTags(ctx context.Context) (tags []string, err error) {
	folders, err := r.registry.folders(ctx, r.keys.oldTagsPrefix())
	for _, folder := range folders {
		if _, err := reference.ParseTag(folder); err == nil {
			tags = append(tags, folder)
		}
	}
	slices.Sort(tags)
	return tags, err
}

// folders are the names of the folders right below prefix.
func (r *Registry) folders(ctx context.Context, prefix string) (names []string, err error) {
	opts := drivers.ListOptions{Prefix: prefix, Delimiter: "/"}
	for {
		page, err := r.driver.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for _, group := range page.Groups {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(group, prefix), "/"))
		}
		if opts.After = page.Next; opts.After == "" {
			return names, nil
		}
	}
}

// canonical serves a blob that CNCF Distribution keeps under its sha256 digest alone: the link of any other digest names that one. It is stored once more,
// since data that two pointers named would go with the first of them.
func (r *Repository) canonical(ctx context.Context, d digest.Digest, link *layerLink) (*pointer, error) {
	if link.bare == "" || link.bare == d || r.registry.opts.ReadOnly {
		return nil, nil
	}
	p, err := r.registry.loadPointer(ctx, link.bare)
	if err != nil || !p.Value.there() {
		return nil, err
	}
	if p.Value.inline() {
		if d.Algorithm().FromBytes(p.Value.Inline) != d {
			return nil, nil
		}
		return r.registry.point(ctx, d, pointer{Size: p.Value.Size, Inline: p.Value.Inline})
	}
	data, err := r.rehash(ctx, drivers.Session{Key: r.registry.keys.bytes(link.bare, p.Value)}, d)
	if err != nil {
		return nil, err
	}
	return r.registry.point(ctx, d, pointer{Size: p.Value.Size, Data: data})
}

// old says whether the repository has manifests that CNCF Distribution wrote.
func (r *Repository) old(ctx context.Context) (bool, error) {
	page, err := r.registry.driver.List(ctx, drivers.ListOptions{Prefix: r.keys.prefix + "_manifests/", Limit: 1})
	return len(page.Objects) > 0, err
}

// behind is what is left of a sorted list behind after.
func behind(sorted []string, after string) []string {
	i, found := slices.BinarySearch(sorted, after)
	if found {
		i++
	}
	return sorted[i:]
}
