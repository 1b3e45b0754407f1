package storage

import (
	"context"
	"errors"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// over is why nobody goes on with an upload: it was closed.
type over struct {
	closed *checkpoint // as what; nil when that was so long ago that its checkpoints are gone
	seq    uint64      // of that checkpoint
}

func (over) Error() string { return "the upload was closed" }

// again answers a request to end an upload that is over, as err says. What the request that closed it left undone is done now. Else, if the blob it was
// for is here, this is a repetition of a Commit that succeeded. least is how many bytes are known of that blob.
func (r *Repository) again(ctx context.Context, want ending, least int64, err error) (Descriptor, error) {
	var o over
	if errors.As(err, &o) && o.closed != nil && o.closed.Session.Offset >= least {
		blob, err := r.complete(ctx, o.closed, want)
		if !errors.Is(err, errOther) && !errors.Is(err, drivers.ErrNotFound) && !errors.Is(err, drivers.ErrPrecondition) {
			return blob, err
		}
	}
	return r.repeated(ctx, want, least)
}

// unfinished is where an upload stands that was closed by a request which did not come to its end: at its last byte, from where it can be closed in the same
// way. Else the answer is err.
func (r *Repository) unfinished(ctx context.Context, up Upload, err error) (Upload, error) {
	var o over
	if !errors.As(err, &o) || o.closed == nil {
		return up, err
	}
	if _, statErr := r.StatBlob(ctx, o.closed.Closed); CodeOf(statErr) != BlobUnknown {
		if isTransient(statErr) {
			return up, statErr
		}
		return up, err
	}
	up = up.at(o.closed.Session)
	up.Seq = o.seq - 1
	return up, nil
}

// errOther: an upload was closed as another blob.
var errOther = errors.New("the upload was closed as another blob")

// complete makes the blob that an upload was closed as, or what its bytes are by the algorithm that they were hashed with. It may have been made before.
func (r *Repository) complete(ctx context.Context, closed *checkpoint, want ending) (Descriptor, error) {
	driver, mine := r.registry.driver, pointer{Size: closed.Session.Offset}
	if closed.Data != "" && closed.Closed == want.digest {
		mine.Data = closed.Data
		if _, err := driver.Stat(ctx, r.registry.keys.data(mine.Data)); err != nil {
			return Descriptor{}, err
		}
		return r.publish(ctx, want.digest, mine)
	}
	own, err := closed.own()
	if err != nil {
		return Descriptor{}, err
	}
	if want.digest != "" && want.digest != own {
		return Descriptor{}, errOther
	}
	if _, err := driver.Commit(ctx, closed.Session); err != nil {
		return Descriptor{}, err
	}
	mine.Data = path.Base(closed.Session.Key)
	if want.digest != "" {
		return r.publish(ctx, own, mine)
	}
	if err := r.readTarSum(ctx, closed.Session.Key, want.tarSum); err != nil {
		return Descriptor{}, err
	}
	return r.publishTarSum(ctx, want.tarSum, own, mine)
}

// own is the digest of the bytes at c, by the algorithm that they were hashed with.
func (c *checkpoint) own() (digest.Digest, error) {
	hash, err := Upload{Algorithm: c.Algorithm, session: c.Session}.newHash()
	if err != nil {
		return "", err
	}
	return digest.NewDigest(c.Algorithm, hash), nil
}

// repeated gives the blob that an upload was for if it is here, with at least the bytes known of it.
func (r *Repository) repeated(ctx context.Context, want ending, least int64) (Descriptor, error) {
	if want.digest == "" {
		return r.repeatedTarSum(ctx, want.tarSum, least)
	}
	blob, err := r.StatBlob(ctx, want.digest)
	if err == nil && blob.Size < least || CodeOf(err) == BlobUnknown {
		return Descriptor{}, uploadUnknown()
	}
	return blob, err
}
