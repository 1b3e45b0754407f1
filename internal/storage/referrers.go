package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/manifest"
	"github.com/registryd/registryd/internal/reference"
)

// referrer is the descriptor of one referrer as the referrers API gives it. It follows from the referrer's content, so that it is written once, before
// the link; and it counts only while the link is live, so that nobody has to take it away.
type referrer struct {
	header
	Descriptor manifest.Descriptor `json:"descriptor"`
}

// refer makes the manifest findable from its subject.
func (p *push) refer(ctx context.Context) error {
	_, err := update(ctx, p.registry.driver, p.keys.referrer(p.Subject, p.Digest), stored[referrer]{}, func(r *referrer) *referrer {
		want := describe(p.Descriptor, p.manifest)
		if r != nil && reflect.DeepEqual(r.Descriptor, want) {
			return nil
		}
		return &referrer{Descriptor: want} // or it was pushed under another media type before
	})
	return err
}

// describe follows "Listing Referrers" of the OCI distribution spec.
func describe(d Descriptor, m *manifest.Manifest) manifest.Descriptor {
	return manifest.Descriptor{
		MediaType: m.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: m.ArtifactType, Annotations: m.Annotations,
	}
}

// Limits of one page of referrers.
const (
	referrersPage      = 1000
	referrersPageBytes = 3 << 20 // of descriptors: clients take an index of 4 MiB
)

// Referrers lists the manifests whose subject is the one given, in order of their digests behind after, filtered by artifact type if that is not
// empty; more says that another page follows the last of them.
func (r *Repository) Referrers(ctx context.Context, subject digest.Digest, artifactType string, after digest.Digest) (list []manifest.Descriptor, more bool, err error) {
	candidates, err := r.candidates(ctx, subject)
	if err != nil {
		return nil, false, err
	}
	list, size := []manifest.Descriptor{}, 0
	for rest := candidates; len(rest) > 0; {
		batch := rest[:min(len(rest), atOnce)]
		rest = rest[len(batch):]
		found := make([]*manifest.Descriptor, len(batch))
		group, ctx := errgroup.WithContext(ctx)
		for i, candidate := range batch {
			if candidate.digest > after {
				group.Go(func() (err error) { found[i], err = candidate.describe(ctx); return err })
			}
		}
		if err := group.Wait(); err != nil {
			return nil, false, err
		}
		for _, d := range found {
			if d == nil || artifactType != "" && d.ArtifactType != artifactType {
				continue
			}
			encoded, err := json.Marshal(d)
			if err != nil {
				return nil, false, err
			}
			size += len(encoded)
			if len(list) > 0 && (len(list) == referrersPage || size > referrersPageBytes) {
				return list, true, nil
			}
			list = append(list, *d)
		}
	}
	return list, false, nil
}

// candidate may turn out to be a referrer; describe gives nil if it is none.
type candidate struct {
	digest   digest.Digest
	describe func(context.Context) (*manifest.Descriptor, error)
}

// candidates are the referrers that pushes have written down, and those that clients keep under the fallback tag.
func (r *Repository) candidates(ctx context.Context, subject digest.Digest) ([]candidate, error) {
	var all []candidate
	opts := drivers.ListOptions{Prefix: r.keys.referrersPrefix(subject)}
	for {
		page, err := r.registry.driver.List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Objects {
			alg, hex, _ := strings.Cut(strings.TrimPrefix(object.Key, opts.Prefix), "/")
			if d, err := digestOf(alg, hex); err == nil && object.Size > 0 {
				all = append(all, candidate{d, func(ctx context.Context) (*manifest.Descriptor, error) { return r.written(ctx, subject, d) }})
			}
		}
		if opts.After = page.Next; opts.After == "" {
			break
		}
	}
	fallback, err := r.fallback(ctx, subject)
	if err != nil {
		return nil, err
	}
	all = append(all, fallback...)
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.digest, b.digest) })
	return slices.CompactFunc(all, func(a, b candidate) bool { return a.digest == b.digest }), nil
}

// written reads a referrer's record, and whether its manifest is still there.
func (r *Repository) written(ctx context.Context, subject, d digest.Digest) (*manifest.Descriptor, error) {
	link, err := load[revision](ctx, r.registry.driver, r.keys.revision(d))
	if err != nil || !link.live() {
		return nil, err
	}
	record, err := load[referrer](ctx, r.registry.driver, r.keys.referrer(subject, d))
	if err != nil || !record.live() {
		return nil, ignoreDamage(err) // one that cannot be read does not hide the others; fsck tells of it
	}
	return &record.Value.Descriptor, nil
}

// fallback are the manifests listed in the index that clients of registries without a referrers API keep under a tag. What they say of themselves
// counts, not what the index says of them.
func (r *Repository) fallback(ctx context.Context, subject digest.Digest) ([]candidate, error) {
	index, err := r.payload(ctx, reference.Reference{Tag: reference.ReferrersTag(subject)})
	if CodeOf(err) == ManifestUnknown {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(index.MediaType, index.Content)
	if err != nil {
		return nil, nil // the tag is used for something else
	}
	var all []candidate
	for _, child := range m.Manifests {
		all = append(all, candidate{child.Digest, func(ctx context.Context) (*manifest.Descriptor, error) {
			found, err := r.payload(ctx, reference.Reference{Digest: child.Digest})
			if CodeOf(err) == ManifestUnknown {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			m, err := manifest.Parse(found.MediaType, found.Content)
			if err != nil || m.Subject == nil || m.Subject.Digest != subject {
				return nil, nil
			}
			d := describe(found.Descriptor, m)
			return &d, nil
		}})
	}
	return all, nil
}
