package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/reference"
	"github.com/registryd/registryd/internal/tarsum"
)

// # TarSums
//
// A TarSum is another name of a blob, which old clients close an upload with. The blob is stored under its digest like any other. Whether it has that TarSum
// can only be told from all of it, so it is read back before it is published: this is the one path that may. The name is a record in the repository:
//
//	_layers/tarsum/<version>/<alg>/<hex>/link     the digest of a blob that has this TarSum, as CNCF Distribution had it too
//
// It is written before the link of the blob, which says whether the blob is there, under either name. It is never removed: it stays true.

// verifications is how many TarSums a process computes at once: each can take a hundred megabytes of memory.
const verifications = 2

// alias says which blob a TarSum is the name of.
type alias struct {
	header
	Digest digest.Digest `json:"digest"`
}

func (a *alias) setBare(d digest.Digest) { a.Digest = d }

// tarSums fails where TarSums are not taken.
func (r *Registry) tarSums() error {
	if r.opts.Rules.TarSums {
		return nil
	}
	return fail(DigestInvalid, "TarSums are not accepted here: use a sha256 digest, or ask the registry's operator to set compatibility.tarsum.enabled", nil)
}

// TarSum is the digest of the blob that has a TarSum in this repository, else BlobUnknown. It does not say that the blob is still there.
func (r *Repository) TarSum(ctx context.Context, sum reference.TarSum) (digest.Digest, error) {
	if err := r.registry.tarSums(); err != nil {
		return "", err
	}
	d, err := r.alias(ctx, sum)
	if err == nil && d == "" {
		err = absentBlob(sum)
	}
	return d, err
}

func absentBlob(sum reference.TarSum) error {
	return fail(BlobUnknown, "this repository has no such blob", map[string]string{"digest": sum.String()})
}

// alias is TarSum for who wants to know of none: it gives "".
func (r *Repository) alias(ctx context.Context, sum reference.TarSum) (digest.Digest, error) {
	cur, err := load[alias](ctx, r.registry.driver, r.keys.tarSum(sum))
	if err != nil || !cur.live() {
		return "", err
	}
	return reference.ParseDigest(cur.Value.Digest.String())
}

// named makes a TarSum that was verified a name of a blob. Of several blobs that have it, the first one has the name for as long as it is here: a TarSum does
// not say all of a blob, and who pulls by it is not to be given another one from one day to the next.
func (r *Repository) named(ctx context.Context, sum reference.TarSum, d digest.Digest) error {
	cur, err := swap(ctx, r.registry.driver, r.keys.tarSum(sum), stored[alias]{}, alias{Digest: d})
	if !errors.Is(err, drivers.ErrPrecondition) {
		return err
	}
	if cur.live() && cur.Value.Digest != d {
		if _, err := r.StatBlob(ctx, cur.Value.Digest); CodeOf(err) != BlobUnknown || err == nil {
			return err
		}
	}
	_, err = update(ctx, r.registry.driver, r.keys.tarSum(sum), cur, func(a *alias) *alias {
		if a != nil && a.Digest == d {
			return nil
		}
		return &alias{Digest: d}
	})
	return err
}

// MountTarSum is MountBlob of a blob that is known by a TarSum in the repository it comes from. It is known by that here too then.
func (r *Repository) MountTarSum(ctx context.Context, sum reference.TarSum, from reference.Name) (Descriptor, error) {
	if err := r.registry.writable(); err != nil {
		return Descriptor{}, err
	}
	if err := r.registry.tarSums(); err != nil {
		return Descriptor{}, err
	}
	if from == "" { // each repository has names of its own
		return Descriptor{}, absentBlob(sum)
	}
	source := r.registry.Repository(from)
	d, err := source.TarSum(ctx, sum)
	if err != nil {
		return Descriptor{}, err
	}
	at, err := source.linked(ctx, d, r.hold)
	if err != nil {
		return Descriptor{}, err
	}
	if err := r.named(ctx, sum, d); err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: d, Size: at.Size}, r.link(ctx, d)
}

// CommitTarSum is Commit for a client that gives a TarSum. Content that has another one, or none, is DigestInvalid, and is not a blob then. After that the
// upload can be closed once more from where it stands now, but not be gone on with.
func (r *Repository) CommitTarSum(ctx context.Context, up Upload, want reference.TarSum, chunk Chunk) (Descriptor, Upload, error) {
	if err := r.registry.tarSums(); err != nil {
		return Descriptor{}, up, err
	}
	return r.end(ctx, up, ending{tarSum: want, once: chunk.Once}, chunk)
}

// inlineTarSum makes a blob of content that a pointer can hold.
func (r *Repository) inlineTarSum(ctx context.Context, sum reference.TarSum, content []byte) (Descriptor, error) {
	err := r.registry.verifyTarSum(ctx, sum, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return Descriptor{}, err
	}
	return r.publishTarSum(ctx, sum, digest.FromBytes(content), pointer{Size: int64(len(content)), Inline: content})
}

// closeTarSum is closeData for a TarSum.
func (r *Repository) closeTarSum(ctx context.Context, up Upload, want ending) (Upload, Descriptor, error) {
	hash, err := up.newHash()
	if err != nil {
		return up, Descriptor{}, err
	}
	d := digest.NewDigest(up.Algorithm, hash)
	driver := r.registry.driver
	if _, err := driver.Commit(ctx, up.session); err != nil {
		return up, Descriptor{}, err
	}
	if err := r.readTarSum(ctx, up.session.Key, want.tarSum); err != nil {
		if want.once && CodeOf(err) == DigestInvalid {
			_ = driver.Delete(ctx, up.session.Key) // nobody knows of it; what is left is found by its age
		}
		return up, Descriptor{}, err
	}
	closed, err := r.close(ctx, up, d, "")
	if err != nil {
		return closed, Descriptor{}, err
	}
	if closed.session.Key != up.session.Key { // the same bytes, of a request like this one
		if _, err := driver.Commit(ctx, closed.session); err != nil {
			return closed, Descriptor{}, err
		}
	}
	blob, err := r.publishTarSum(ctx, want.tarSum, d, pointer{Size: closed.Offset, Data: path.Base(closed.session.Key)})
	return closed, blob, err
}

// readTarSum reads an object back to verify it.
func (r *Repository) readTarSum(ctx context.Context, key string, sum reference.TarSum) error {
	return r.registry.verifyTarSum(ctx, sum, func() (io.ReadCloser, error) {
		body, _, err := r.registry.driver.Open(ctx, key, 0, -1)
		return body, err
	})
}

// verifyTarSum waits for its turn, and opens the content only then.
func (r *Registry) verifyTarSum(ctx context.Context, sum reference.TarSum, open func() (io.ReadCloser, error)) error {
	select {
	case r.verifying <- struct{}{}:
		defer func() { <-r.verifying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	content, err := open()
	if err != nil {
		return err
	}
	defer content.Close()
	err = tarsum.Verify(content, sum)
	if errors.Is(err, tarsum.ErrMismatch) || errors.Is(err, tarsum.ErrArchive) {
		return &Error{Code: DigestInvalid, Message: err.Error(), Detail: map[string]string{"given": sum.String()}}
	}
	return err
}

// publishTarSum is publish, with the name before the link.
func (r *Repository) publishTarSum(ctx context.Context, sum reference.TarSum, d digest.Digest, mine pointer) (Descriptor, error) {
	p, _, err := r.registry.lead(ctx, d, mine)
	if err != nil {
		return Descriptor{}, err
	}
	if err := r.named(ctx, sum, d); err != nil {
		return Descriptor{}, fmt.Errorf("name %s: %w", d, err)
	}
	if err := r.link(ctx, d); err != nil {
		return Descriptor{}, fmt.Errorf("link %s: %w", d, err)
	}
	r.registry.dropSurplus(ctx, mine, p)
	return Descriptor{Digest: d, Size: p.Size}, nil
}

// repeatedTarSum is repeated for a TarSum.
func (r *Repository) repeatedTarSum(ctx context.Context, sum reference.TarSum, least int64) (Descriptor, error) {
	d, err := r.alias(ctx, sum)
	if err != nil {
		return Descriptor{}, err
	}
	if d == "" {
		return Descriptor{}, uploadUnknown()
	}
	return r.repeated(ctx, ending{digest: d}, least)
}
