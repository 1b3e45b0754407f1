package storage

import (
	"bytes"
	"context"
	"errors"
	"path"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
)

// leafContent is what a catalog leaf or the mark of a tag holds: they say all they have to say by standing there, but an empty object would be a
// tombstone.
var leafContent = []byte(`{"v":1}`)

// enroll makes sure that the repository has its leaf in the catalog. It comes before anything in the repository becomes visible; a process does it
// once for each repository.
func (r *Repository) enroll(ctx context.Context) error {
	reg := r.registry
	if reg.known.has(r.name) {
		return nil
	}
	_, err := reg.driver.Put(ctx, reg.keys.catalog(r.name), bytes.NewReader(leafContent), drivers.Cond{IfAbsent: true})
	if err != nil && !errors.Is(err, drivers.ErrPrecondition) {
		return err
	}
	reg.known.add(r.name)
	return nil
}

// Catalog lists the repositories whose name is behind after, at most n of them, in byte order, and says whether there are more.
func (r *Registry) Catalog(ctx context.Context, after string, n int) (names []string, more bool, err error) {
	var old []string
	if n > 0 && r.looks(ctx, stageCatalog) {
		if old, _, err = r.oldRepositories(ctx, after, n+1); err != nil {
			return nil, false, err
		}
		for i := range old {
			old[i] = encodeName(reference.Name(old[i]))
		}
	}
	if after != "" {
		after = r.keys.catalogPrefix() + encodeName(reference.Name(after))
	}
	leaves, more, err := listLeaves(ctx, r.driver, r.keys.catalogPrefix(), after, n, old)
	for i := range leaves {
		leaves[i] = decodeName(leaves[i])
	}
	return leaves, more, err
}

// Tags lists the tags of the repository that are behind after, at most n of them, in byte order, and says whether there are more.
func (r *Repository) Tags(ctx context.Context, after string, n int) (tags []string, more bool, err error) {
	var old []string
	if r.registry.looks(ctx, stageRepositories) {
		if old, err = r.oldTags(ctx); err != nil {
			return nil, false, err
		}
		old = behind(old, after)
	}
	if after != "" {
		after = r.keys.tagsPrefix() + after
	}
	tags, more, err = listLeaves(ctx, r.registry.driver, r.keys.tagsPrefix(), after, n, old)
	if err == nil && len(tags) == 0 {
		err = r.exists(ctx)
	}
	return tags, more, err
}

// listLeaves gives the last parts of the first n live keys below prefix. A page with one leaf more than asked for tells for sure whether there are more;
// where pages are not that long, more may announce a page that turns out empty. old are leaves behind after that stand elsewhere, in order: each is
// one as well, unless there is a key or a tombstone for it here.
func listLeaves(ctx context.Context, objects drivers.Objects, prefix, after string, n int, old []string) (leaves []string, more bool, err error) {
	leaves = []string{}
	take := func(leaf string) (full bool) {
		if len(leaves) == n {
			return true
		}
		leaves = append(leaves, leaf)
		return false
	}
	limit := n + 1
	for n > 0 {
		page, err := objects.List(ctx, drivers.ListOptions{Prefix: prefix, After: after, Limit: limit})
		if err != nil {
			return nil, false, err
		}
		for _, object := range page.Objects {
			leaf := path.Base(object.Key)
			for ; len(old) > 0 && old[0] < leaf; old = old[1:] {
				if take(old[0]) {
					return leaves, true, nil
				}
			}
			if len(old) > 0 && old[0] == leaf {
				old = old[1:]
			}
			if object.Size == 0 { // a tombstone
				continue
			}
			if take(leaf) {
				return leaves, true, nil
			}
		}
		limit = 0 // a page that was not enough held tombstones, and there may be thousands more
		if after = page.Next; after == "" {
			break
		}
		if len(leaves) == n {
			return leaves, true, nil
		}
	}
	for ; n > 0 && len(old) > 0; old = old[1:] {
		if take(old[0]) {
			return leaves, true, nil
		}
	}
	return leaves, false, nil
}
