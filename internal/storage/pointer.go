package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
)

// inlineLimit is how many bytes a pointer holds itself, at most. Most manifests and configs fit.
const inlineLimit = 64 << 10

// The states of a pointer. A condemned one may be revived by anyone who needs it; of a deleting one the bytes may be gone.
const (
	stateLive      = "live"
	stateCondemned = "condemned"
	stateDeleting  = "deleting"
)

// pointer says where the bytes of a blob are: under data/, or here.
type pointer struct {
	header
	State  string `json:"state"`
	Size   int64  `json:"size"`
	Data   string `json:"data,omitempty"`   // the id below data/
	Inline []byte `json:"inline,omitempty"` // the bytes, where Data is empty

	Distribution bool `json:"distribution,omitempty"` // the bytes are where CNCF Distribution put them (legacy.go)
	Withdrawn    bool `json:"withdrawn,omitempty"`    // it is deleting because fsck found no right bytes (fsckrepair.go)
}

func (p *pointer) inline() bool { return p.Data == "" && !p.Distribution }

// check says what is wrong with a pointer that was read.
func (p *pointer) check() error {
	switch {
	case p.State != stateLive && p.State != stateCondemned && p.State != stateDeleting:
		return fmt.Errorf("unknown state %q", p.State)
	case p.inline() && int64(len(p.Inline)) != p.Size:
		return fmt.Errorf("%d bytes inline where its size says %d", len(p.Inline), p.Size)
	case p.Distribution && (p.Data != "" || len(p.Inline) > 0 || p.Size < 0):
		return fmt.Errorf("names its bytes twice")
	case !p.inline() && !p.Distribution && (len(p.Data) < 2 || len(p.Inline) > 0 || p.Size < 0):
		return fmt.Errorf("names no data")
	}
	return nil
}

// there says whether the bytes can be read.
func (p *pointer) there() bool { return p != nil && p.State != stateDeleting }

// loadPointer reads the pointer of a blob. Where it has none yet, but bytes that CNCF Distribution wrote, it comes as one that has yet to be created.
func (r *Registry) loadPointer(ctx context.Context, d digest.Digest) (stored[pointer], error) {
	old := r.looks(ctx, stageBlobs)
	p, err := load[pointer](ctx, r.driver, r.keys.pointer(d))
	if err == nil && p.etag == "" && old {
		return r.generation0(ctx, d)
	}
	if err == nil && p.live() {
		if err := p.Value.check(); err != nil {
			return p, fmt.Errorf("pointer of %s: %w", d, err)
		}
	}
	return p, err
}

// revive makes sure that the collector will not take the blob: a condemned pointer is swapped back to live. There may be no bytes to keep.
func (r *Registry) revive(ctx context.Context, d digest.Digest) (stored[pointer], error) {
	cur, err := r.loadPointer(ctx, d)
	if err != nil {
		return cur, err
	}
	return update(ctx, r.driver, r.keys.pointer(d), cur, func(p *pointer) *pointer {
		if p == nil || p.State != stateCondemned {
			return nil
		}
		revived := *p
		revived.State = stateLive
		return &revived
	})
}

// point is the commit of a blob's bytes: it makes mine the pointer of d unless there is one already whose bytes are there. It gives the pointer that stands
// then; when that is not mine, the bytes of mine were dropped.
func (r *Registry) point(ctx context.Context, d digest.Digest, mine pointer) (*pointer, error) {
	now, _, err := r.lead(ctx, d, mine)
	if err == nil {
		r.dropSurplus(ctx, mine, now)
	}
	return now, err
}

// dropSurplus removes the bytes of a pointer that came too late. Nothing names them, now or later: a failure here costs space until fsck finds them,
// and nobody an answer.
func (r *Registry) dropSurplus(ctx context.Context, mine pointer, now *pointer) {
	if !mine.inline() && now.Data != mine.Data {
		_ = r.driver.Delete(ctx, r.keys.data(mine.Data))
	}
}

// lead is point without dropping anything. first says that there was no pointer before. It fails with ErrNotFound where the bytes of mine may be gone.
func (r *Registry) lead(ctx context.Context, d digest.Digest, mine pointer) (_ *pointer, first bool, err error) {
	if err := r.outlasted(ctx, mine); err != nil {
		return nil, false, err
	}
	mine.State = stateLive
	seen := r.opts.Now()
	var unknown error // how the bytes of the other one stand
	now, err := update(ctx, r.driver, r.keys.pointer(d), stored[pointer]{}, func(p *pointer) (next *pointer) {
		first = p == nil
		next, unknown = r.successor(ctx, d, p, mine)
		return next
	})
	if err == nil {
		err = unknown
	}
	if err != nil {
		return nil, false, fmt.Errorf("write the pointer of %s: %w", d, err)
	}
	r.cache.learn(d, now, seen)
	return now.Value, first, nil
}

// successor is what is to stand in the place of p, for somebody who has all the bytes; nil to leave it. Whoever pushes a blob again may do so because what p
// names was lost, with a backup that lacked it, say: the bytes that came are not given up for others that nobody has looked at. It costs one request, and only
// for a blob that was there.
func (r *Registry) successor(ctx context.Context, d digest.Digest, p *pointer, mine pointer) (*pointer, error) {
	if !p.there() {
		return &mine, nil
	}
	if p.inline() || p.Data != mine.Data || p.Distribution {
		if whole, err := r.holds(ctx, d, p, mine.Size); !whole {
			return &mine, err
		}
	}
	if p.State != stateCondemned {
		return nil, nil
	}
	revived := *p
	revived.State = stateLive
	return &revived, nil
}

// holds says whether the bytes that a pointer names are there, as many as are due. Of those that are data only fsck looks at more.
func (r *Registry) holds(ctx context.Context, d digest.Digest, p *pointer, size int64) (bool, error) {
	if p.inline() {
		return p.Size == size && d.Algorithm().FromBytes(p.Inline) == d, nil
	}
	info, err := r.driver.Stat(ctx, r.keys.bytes(d, p))
	if errors.Is(err, drivers.ErrNotFound) {
		return false, nil
	}
	return err == nil && p.Size == size && info.Size == size, err
}
