package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/registryd/registryd/internal/drivers"
	"github.com/registryd/registryd/internal/drivers/drivertest"
	"github.com/registryd/registryd/internal/storage"
)

const mib = 1 << 20

// parts is a store that stores 1 MiB at a time.
func parts(t *testing.T) *drivertest.Fake {
	fake := drivertest.NewFake(t)
	fake.PartSize = mib
	return fake
}

func begin(t *testing.T, repo *storage.Repository) storage.Upload {
	t.Helper()
	up, err := repo.NewUpload(digest.SHA256)
	must(t, err)
	return up
}

func checkpoints(fake *drivertest.Fake) int {
	return len(slices.DeleteFunc(fake.Keys(), func(key string) bool { return !strings.Contains(key, "/_uploads/") }))
}

// again is an upload as another process finds it, from what was kept of it.
func again(t *testing.T, up storage.Upload, limit int) storage.Upload {
	t.Helper()
	got, err := storage.ResumeUpload(up.ID, up.Seq, up.Started, up.Offset, up.State(limit))
	must(t, err)
	return got
}

// Each point that is told of on the way is one to go on from, and tells of the checkpoints before it.
func TestWatch(t *testing.T) {
	t.Parallel()
	fake := parts(t)
	repo, blob := repository(fake), content(1, 66*mib)
	up := begin(t, repo)
	var told []storage.Upload
	chunk := storage.WholeBody(bytes.NewReader(blob))
	chunk.Watch = func(up storage.Upload) { told = append(told, up) }
	end, err := repo.Append(t.Context(), up, chunk)
	must(t, err)
	if len(told) != 68 { // each MiB, and two checkpoints
		t.Errorf("told of %d points", len(told))
	}
	for i, p := range told {
		if i > 0 && !told[i-1].Before(p) {
			t.Errorf("told of %d at %d after %d at %d", p.Seq, p.Offset, told[i-1].Seq, told[i-1].Offset)
		}
		if saved := p.Offset > 64*mib; (p.Seq > 0) != (saved || i > 0 && told[i-1].Offset == p.Offset) {
			t.Errorf("the point at %d names checkpoint %d", p.Offset, p.Seq)
		}
	}
	if last := told[len(told)-1]; last.Before(end) || end.Seq != 2 {
		t.Errorf("the last is %d at %d, the end %d at %d", last.Seq, last.Offset, end.Seq, end.Offset)
	}
	from := again(t, told[9], 64<<10)
	_, _, err = repository(fake).Commit(t.Context(), from, digest.FromBytes(blob[:11*mib]), storage.WholeBody(bytes.NewReader(blob[10*mib:11*mib])))
	must(t, err)
	sound(t, fake)
}

// A request that has lost its upload writes no checkpoint, whether it comes to one on the way, at its end, or because its client went away.
func TestLostHold(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.Reader{
		"on the way": bytes.NewReader(content(1, 70*mib)), "at the end": bytes.NewReader(content(1, 20*mib)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := parts(t)
			repo := repository(fake)
			up := begin(t, repo)
			chunk := storage.WholeBody(body)
			chunk.Hold = func(context.Context) bool { return false }
			at, err := repo.Append(t.Context(), up, chunk)
			if storage.CodeOf(err) != storage.RangeInvalid || at.Offset != 0 {
				t.Errorf("Append gives %d, %v", at.Offset, err)
			}
			if n := checkpoints(fake); n > 0 {
				t.Errorf("%d checkpoints were written", n)
			}
		})
	}
}

// A request that has lost its upload does not drop what it stored because its digest is wrong: another goes on from there.
func TestLostHoldDropsNothing(t *testing.T) {
	t.Parallel()
	fake := parts(t)
	repo, blob := repository(fake), content(1, 5*mib)
	var told []storage.Upload
	chunk := storage.WholeBody(bytes.NewReader(blob))
	chunk.Watch = func(up storage.Upload) { told = append(told, up) }
	chunk.Hold = func(context.Context) bool { return false }
	_, _, err := repo.Commit(t.Context(), begin(t, repo), digest.FromString("other"), chunk)
	if storage.CodeOf(err) != storage.RangeInvalid {
		t.Errorf("Commit gives %v", err)
	}
	_, _, err = repo.Commit(t.Context(), told[2], digest.FromBytes(blob), storage.WholeBody(bytes.NewReader(blob[3*mib:])))
	must(t, err)
}

// superseding is a body in the middle of which its request is told to stop, as one that waits for its client is.
type superseding struct {
	io.Reader
	stop context.CancelCauseFunc
}

func (s superseding) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.stop(storage.ErrTakenOver)
		err = errors.New("the deadline has passed")
	}
	return n, err
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	blob := content(1, 20*mib)
	for name, act := range map[string]func(context.Context, *storage.Repository, storage.Upload, storage.Chunk) (storage.Upload, error){
		"append": func(ctx context.Context, repo *storage.Repository, up storage.Upload, chunk storage.Chunk) (storage.Upload, error) {
			return repo.Append(ctx, up, chunk)
		},
		"commit": func(ctx context.Context, repo *storage.Repository, up storage.Upload, chunk storage.Chunk) (storage.Upload, error) {
			_, up, err := repo.Commit(ctx, up, digest.FromBytes(blob), chunk)
			return up, err
		},
	} {
		for _, size := range []int{0, 10, 20 * mib} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fake := parts(t)
				repo := repository(fake)
				first, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(bytes.NewReader(blob[:17*mib])))
				must(t, err)
				up := again(t, first, 600)
				up.Seq = 0 // an older point, which does not know of the checkpoint
				ctx, cancel := context.WithCancelCause(t.Context())
				at, err := act(ctx, repo, up, storage.WholeBody(superseding{bytes.NewReader(blob[:size]), cancel}))
				if storage.CodeOf(err) != storage.RangeInvalid || at.Seq != 1 || at.Offset != 17*mib {
					t.Errorf("gives %d at %d, %v", at.Seq, at.Offset, err)
				}
				if n := checkpoints(fake); n != 1 {
					t.Errorf("%d checkpoints are there", n)
				}
			})
		}
	}
}

// long makes sessions that fit into no token.
type long struct{ drivers.Driver }

func (d long) Append(ctx context.Context, s drivers.Session, fresh string, src drivers.Source, saved func(drivers.Session) error) (drivers.Session, error) {
	if w, ok := src.(drivers.Watcher); ok {
		src = longSource{src, w}
	}
	s, err := d.Driver.Append(ctx, s, fresh, src, saved)
	s.State = make([]byte, 1000)
	return s, err
}

type longSource struct {
	drivers.Source
	drivers.Watcher
}

func (l longSource) Reached(s drivers.Session) {
	s.State = make([]byte, 1000)
	l.Watcher.Reached(s)
}

// A client is given no point that fits into no token: none is told of before there is a checkpoint, nor is what a PUT has stored that failed.
func TestPointsFitIntoTokens(t *testing.T) {
	t.Parallel()
	fake := parts(t)
	faulty := drivertest.NewFaulty(fake, drivertest.On(drivertest.OpCommit, "", drivertest.NotApplied))
	repo, blob := repository(long{faulty}), content(1, 66*mib)
	var told []storage.Upload
	body := func(size int) storage.Chunk {
		chunk := storage.WholeBody(bytes.NewReader(blob[:size]))
		chunk.Watch = func(up storage.Upload) { told = append(told, up) }
		return chunk
	}
	short, err := repo.Append(t.Context(), begin(t, repo), body(5*mib))
	must(t, err)
	_, at, err := repo.Commit(t.Context(), begin(t, repo), digest.FromBytes(blob[:5*mib]), body(5*mib))
	if storage.CodeOf(err) != storage.Unavailable {
		t.Errorf("Commit gives %v", err)
	}
	_, err = repo.Append(t.Context(), begin(t, repo), body(66*mib))
	must(t, err)
	if last := told[len(told)-1]; last.Offset != 66*mib {
		t.Errorf("the last point told of is at %d", last.Offset)
	}
	for _, up := range append(told, short, at) {
		if n := len(up.State(600)); n > 600 {
			t.Errorf("the state at %d behind checkpoint %d has %d bytes", up.Offset, up.Seq, n)
		}
	}
}

// A token of a point between two checkpoints whose session it cannot hold is good with what somebody else kept of that point, and does no harm without.
func TestPointBetweenCheckpoints(t *testing.T) {
	t.Parallel()
	fake := parts(t)
	repo, blob := repository(long{fake}), content(1, 30*mib)
	saved, err := repo.Append(t.Context(), begin(t, repo), storage.WholeBody(bytes.NewReader(blob[:17*mib])))
	must(t, err)
	var point storage.Upload
	chunk := storage.WholeBody(superseding{bytes.NewReader(blob[17*mib : 19*mib]), func(error) {}})
	chunk.Watch = func(up storage.Upload) { point = up }
	chunk.Hold = func(context.Context) bool { return false }
	_, _ = repo.Append(t.Context(), saved, chunk)
	if point.Offset <= 17*mib || point.Seq != 1 {
		t.Fatalf("the point is %d at %d", point.Seq, point.Offset)
	}
	token, kept := again(t, point, 10), again(t, point, 64<<10)
	if token.Whole() || !kept.Whole() {
		t.Fatal("the token has the session")
	}
	for name, act := range map[string]func() (storage.Upload, error){
		"append": func() (storage.Upload, error) {
			return repo.Append(t.Context(), token, storage.WholeBody(strings.NewReader("more")))
		},
		"commit": func() (storage.Upload, error) {
			_, up, err := repo.Commit(t.Context(), token, digest.FromBytes(blob), storage.WholeBody(nil))
			return up, err
		},
	} {
		if at, err := act(); storage.CodeOf(err) != storage.RangeInvalid || at.Offset != 17*mib || !at.Whole() {
			t.Errorf("%s gives %d, %v", name, at.Offset, err)
		}
	}
	rest := storage.WholeBody(bytes.NewReader(blob[point.Offset:]))
	_, _, err = repo.Commit(t.Context(), token.Filled(kept), digest.FromBytes(blob), rest)
	must(t, err)
}
